(function () {
  var data = JSON.parse(document.getElementById("data").textContent);
  var svg = document.querySelector("svg.tt");
  var out = document.getElementById("hover");
  var why = document.getElementById("decision");
  if (!svg || !data.rows.length) { return; }
  var hint = "Move over the chart to read values and the decision in force.";
  var cursor = document.createElementNS("http://www.w3.org/2000/svg", "path");
  cursor.setAttribute("class", "tt-cursor");
  svg.appendChild(cursor);
  out.hidden = false;
  out.textContent = hint;
  why.hidden = false;
  function decision(place) {
    var changes = data.changes;
    var low = 0, high = changes.length;
    while (low < high) {
      var middle = (low + high) >> 1;
      if (changes[middle][0] <= place) { low = middle + 1; } else { high = middle; }
    }
    var last = changes[low - 1];
    return last ? last[1] + ": " + last[2] : "no change yet";
  }
  function some(value) { return value === null ? "none" : value; }
  function service(standing) {
    if (standing === null) { return ""; }
    return " · waiting " + standing[0] + " · latency " + standing[1] + " s · in use " + standing[2] +
      " · behind " + standing[3];
  }
  svg.addEventListener("pointermove", function (event) {
    var box = svg.getBoundingClientRect();
    var x = (event.clientX - box.left) / box.width * data.width;
    var place = (x - data.left) / (data.right - data.left);
    if (!(place >= 0) || place > 1) { return; }
    var row = data.rows[Math.min(data.rows.length - 1, Math.floor(place * data.rows.length))];
    cursor.setAttribute("d", "M" + x.toFixed(1) + " " + data.top + "V" + data.bottom);
    out.textContent = row[0] + " · demand " + row[1] + "/s · capacity " + row[2] + "/s · baseline " + row[3] +
      " · recommendation " + some(row[4]) + " · load level " + some(row[5]) + " · desired " + row[6] +
      (row[7] === row[6] ? "" : " · replicas " + row[7]) + " · ready " + row[8] + service(row[9]);
    why.textContent = decision(place);
  });
  svg.addEventListener("pointerleave", function () {
    cursor.removeAttribute("d");
    out.textContent = hint;
    why.textContent = "";
  });
})();
