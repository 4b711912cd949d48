(function () {
  var data = JSON.parse(document.getElementById("data").textContent);
  var svg = document.querySelector("svg.tt");
  var out = document.getElementById("hover");
  if (!svg || !data.rows.length) { return; }
  var hint = "Move over the chart to read values.";
  var cursor = document.createElementNS("http://www.w3.org/2000/svg", "path");
  cursor.setAttribute("class", "tt-cursor");
  svg.appendChild(cursor);
  out.hidden = false;
  out.textContent = hint;
  svg.addEventListener("pointermove", function (event) {
    var box = svg.getBoundingClientRect();
    var x = (event.clientX - box.left) / box.width * data.width;
    var place = (x - data.left) / (data.right - data.left);
    if (!(place >= 0) || place > 1) { return; }
    var row = data.rows[Math.min(data.rows.length - 1, Math.floor(place * data.rows.length))];
    cursor.setAttribute("d", "M" + x.toFixed(1) + " " + data.top + "V" + data.bottom);
    out.textContent = row[0] + " · demand " + row[1] + "/s · capacity " + row[2] + "/s · baseline " + row[3] +
      " · load level " + (row[4] === null ? "none" : row[4]) + " · replicas " + row[5];
  });
  svg.addEventListener("pointerleave", function () {
    cursor.removeAttribute("d");
    out.textContent = hint;
  });
})();
