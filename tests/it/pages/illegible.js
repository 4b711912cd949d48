// Says what can't be read or is out of place, as a list of sentences.
(() => {
  const problems = [];
  const root = document.documentElement;
  const isPrint = matchMedia("print").matches;
  const name = element => `${element.tagName} ${JSON.stringify(element.textContent.trim().slice(0, 40))}`;

  // Nothing is cut off, and nothing but tables and pictures on a phone has to be moved sideways.
  if (root.scrollWidth > root.clientWidth) { problems.push(`the page is wider than its window`); }
  const isMovable = element => {
    for (let at = element.parentElement; at; at = at.parentElement) {
      if (["auto", "scroll"].includes(getComputedStyle(at).overflowX)) { return true; }
    }
    return false;
  };
  for (const element of document.querySelectorAll("main *")) {
    const box = element.getBoundingClientRect();
    if (box.width > 0 && box.right > root.clientWidth + 0.5 && (isPrint || !isMovable(element))) {
      problems.push(`${name(element)} reaches over the right edge`);
    }
  }

  // Contrast as WCAG 2 has it: 4.5 for text, 3 for lines.
  const colour = text => {
    const parts = text.match(/[\d.]+/g);
    return parts && text.startsWith("rgb") ? parts.map(Number) : null;
  };
  const luminance = ([r, g, b]) => {
    const linear = [r, g, b].map(part => part / 255).map(part =>
      part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const contrast = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const over = (front, share, back) => front.slice(0, 3).map((part, at) => share * part + (1 - share) * back[at]);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const found = colour(getComputedStyle(at).backgroundColor);
      if (found && found[3] !== 0) { return found; }
    }
    return isPrint ? [255, 255, 255] : null;
  };
  for (const element of document.querySelectorAll("main *:not(svg *)")) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.closest("svg") || element.getBoundingClientRect().width === 0) { continue; }
    const style = getComputedStyle(element);
    const back = behind(element);
    if (!back || contrast(colour(style.color), back) < 4.5) { problems.push(`${name(element)} has too little contrast`); }
    if (parseFloat(style.fontSize) < 11) { problems.push(`${name(element)} is too small`); }
  }

  for (const svg of document.querySelectorAll("svg.tt")) {
    const back = colour(getComputedStyle(svg.querySelector(".tt-back")).fill);
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].filter(text => text.closest("svg.tt") === svg);
    const boxes = texts.map(text => text.getBoundingClientRect());
    const cells = [...svg.querySelectorAll("rect.tt-cell")];
    texts.forEach((text, at) => {
      const box = boxes[at];
      const style = getComputedStyle(text);
      if (parseFloat(style.fontSize) * text.getScreenCTM().a < 8.5) { problems.push(`${name(text)} is too small`); }
      const cell = cells.find(cell => {
        const under = cell.getBoundingClientRect();
        return box.left >= under.left && box.right <= under.right && box.top >= under.top && box.bottom <= under.bottom;
      });
      const under = cell
        ? over(colour(getComputedStyle(cell).fill), parseFloat(getComputedStyle(cell).fillOpacity), back) : back;
      if (contrast(colour(style.fill), under) < 4.5) { problems.push(`${name(text)} has too little contrast`); }
      if (box.left < frame.left - 0.5 || box.right > frame.right + 0.5 || box.bottom > frame.bottom + 0.5) {
        problems.push(`${name(text)} is cut off`);
      }
      for (let other = 0; other < at; other += 1) {
        const across = Math.min(box.right, boxes[other].right) - Math.max(box.left, boxes[other].left);
        const down = Math.min(box.bottom, boxes[other].bottom) - Math.max(box.top, boxes[other].top);
        // Boxes are higher than letters.
        if (across > 0.5 && down > 4) { problems.push(`${name(text)} lies over ${name(texts[other])}`); }
      }
    });
    for (const path of svg.querySelectorAll("path")) {
      const style = getComputedStyle(path);
      const stroke = colour(style.stroke);
      if (!stroke || style.fill !== "none" || ["tt-grid", "tt-axis"].some(word => path.classList.contains(word))) { continue; }
      if (contrast(over(stroke, parseFloat(style.strokeOpacity), back), back) < 3) {
        problems.push(`the line ${path.getAttribute("class")} has too little contrast`);
      }
    }
  }
  return [...new Set(problems)];
})()
