// Making elements of the page.

export function element(name, text = "", className = "") {
  const node = document.createElement(name);
  node.textContent = text;
  if (className) node.className = className;
  return node;
}

export function button(text, act, className = "") {
  const made = element("button", text, className);
  made.type = "button";
  made.onclick = act;
  return made;
}

// An element of a drawing, with its attributes.
export function drawn(name, attributes = {}, ...inside) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...inside);
  return node;
}
