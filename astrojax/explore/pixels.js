// The pictures: target, query (which the user can draw on), state over time, and the answers of the network and the decoders.
// All come as bytes, 0 for −1, 127 for 0 and 254 for +1. Where patterns are not of ±1, these are shares of their largest entry.

const DARK = matchMedia("(prefers-color-scheme: dark)")

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
  made.append(...children)
  return made
}

const asNumbers = text => Array.from(atob(text ?? ""), letter => (letter.charCodeAt(0) - 127) / 127)
const asWritten = time => time == null ? "" : Number(time.toPrecision(2)).toString()

export function render({model}) {
  const root = element("div", {class: "board"})
  const panels = {}
  for (const key of ["target", "query", "state", "hopfield", "nearest", "bayes"]) {
    const panel = {label: element("b"), note: element("span"), canvas: element("canvas"), values: []}
    const parts = [element("figcaption", {}, panel.label, panel.note), panel.canvas]
    panel.figure = element("figure", {class: key}, ...parts)
    root.append(panel.figure)
    if (key != "query") panel.canvas.setAttribute("role", "img")
    panels[key] = panel
  }
  const {canvas} = panels.query
  let cursor = 0, focused = false, cells = []

  const play = element("button", {type: "button", class: "play"}, "Play")
  const slider = element("input", {type: "range", min: 0, "aria-label": "time shown"})
  const clock = element("output", {})
  const hint = element("p", {}, "Draw on the query with mouse or finger, or with arrow keys and space. Orange marks the neurons whose sign differs from the target.")
  root.append(element("div", {class: "clock"}, play, element("span", {}, "time t"), slider, clock), hint)

  let target = [], strokes = 0, frames = [], timer = null
  const isReal = () => "query" in model.errors

  function color(name) {
    const hex = getComputedStyle(root).getPropertyValue(name).trim().slice(1)
    return [0, 2, 4].map(at => parseInt(hex.slice(at, at + 2), 16))
  }

  function draw(panel) {
    const {canvas, values} = panel
    const columns = model.columns, rows = Math.ceil(values.length / columns)
    const size = Math.max(3, Math.min(24, Math.floor(600 / columns)))
    canvas.width = columns * size
    canvas.height = rows * size
    canvas.style.height = root.classList.contains("strips") ? `${24 * rows}px` : ""
    const paper = color("--paper"), ink = color("--ink"), wrong = `rgb(${color("--wrong")})`
    const context = canvas.getContext("2d")
    values.forEach((value, cell) => {
      const x = cell % columns * size, y = Math.floor(cell / columns) * size
      context.fillStyle = `rgb(${paper.map((low, part) => low + (ink[part] - low) * (value + 1) / 2)})`
      context.fillRect(x, y, size, size)
      if (!isReal() && Math.sign(value) != target[cell]) {
        context.fillStyle = wrong
        context.fillRect(x + size * 0.34, y + size * 0.34, size * 0.32, size * 0.32)
      }
      if (panel == panels.query && focused && cell == cursor) {
        context.lineWidth = Math.max(2, size / 8)
        context.strokeStyle = `rgb(${color("--accent")})`
        context.strokeRect(x + context.lineWidth / 2, y + context.lineWidth / 2, size - context.lineWidth, size - context.lineWidth)
      }
    })
  }

  const numberWrong = values => values.reduce((sum, value, cell) => sum + Math.abs(target[cell] - Math.sign(value)) / 2, 0)

  function show(key, values, at = 0) {
    const panel = panels[key]
    panel.values = values
    const note = isReal() ? `RMS error ${asWritten([].concat(model.errors[key])[at])}` : `${numberWrong(values)} of ${target.length} wrong`
    panel.note.textContent = key == "target" || !target.length ? "" : note
    panel.canvas.setAttribute("aria-label", `${panel.label.textContent}: ${panel.note.textContent || target.length + " neurons"}`)
    draw(panel)
  }

  function showState() {
    const at = Number(slider.value), size = target.length
    clock.textContent = asWritten(model.times[at])
    slider.setAttribute("aria-valuetext", `t = ${clock.textContent}`)
    if (size && frames.length >= (at + 1) * size) show("state", frames.slice(at * size, (at + 1) * size), at)
    if (model.frame != at) model.frame = at
  }

  function describe() {
    // The grid for screen readers: one cell per pixel, as the content of the canvas.
    const {values} = panels.query, columns = model.columns
    if (cells.length != values.length || canvas.children.length != Math.ceil(values.length / columns)) {
      cells = values.map((_, cell) => element("span", {role: "gridcell", id: `cell-${cell}`}))
      const rows = Array.from({length: Math.ceil(values.length / columns)}, (_, row) =>
        element("div", {role: "row"}, ...cells.slice(row * columns, (row + 1) * columns)))
      canvas.replaceChildren(...rows)
      cursor = Math.min(cursor, values.length - 1)
    }
    values.forEach((value, cell) => {
      const flipped = isReal() || value == target[cell] ? "" : ", flipped"
      const shown = isReal() ? value.toFixed(2) : value > 0 ? "+1" : value < 0 ? "−1" : "0"
      const text = `row ${Math.floor(cell / columns) + 1}, column ${cell % columns + 1}: ${shown}${flipped}`
      if (cells[cell].textContent != text) cells[cell].textContent = text
    })
    canvas.setAttribute("aria-activedescendant", `cell-${cursor}`)
  }

  function showQuery(values) {
    show("query", values)
    describe()
  }

  function showAll() {
    target = asNumbers(model.pictures.target)
    hint.hidden = isReal()
    root.classList.toggle("strips", model.columns * model.columns != target.length)
    for (const [key, panel] of Object.entries(panels)) {
      panel.figure.hidden = target.length > 0 && !(key in model.pictures)
      panel.label.textContent = model.labels[key] ?? ""
    }
    show("target", target)
    // An answer to an earlier stroke must not wipe out the strokes since.
    const {values} = panels.query, stale = model.strokes < strokes && values.length == target.length
    showQuery(stale ? values : asNumbers(model.pictures.query))
    const atEnd = slider.value == slider.max
    frames = asNumbers(model.pictures.state)
    slider.max = Math.max(model.times.length - 1, 0)
    if (atEnd) slider.value = slider.max
    showState()
    for (const key of ["hopfield", "nearest", "bayes"]) if (key in model.pictures) show(key, asNumbers(model.pictures[key]))
  }

  function put(cell, value) {
    if (isReal() || panels.query.values[cell] == value) return
    panels.query.values[cell] = value
    showQuery(panels.query.values)
    model.drawn = {strokes: ++strokes, signs: panels.query.values.map(sign => sign > 0 ? "+" : "-").join("")}
  }

  canvas.tabIndex = 0
  canvas.setAttribute("role", "grid")
  canvas.addEventListener("focus", () => { focused = canvas.matches(":focus-visible"); draw(panels.query) })
  canvas.addEventListener("blur", () => { focused = false; draw(panels.query) })
  canvas.addEventListener("keydown", event => {
    const columns = model.columns, last = panels.query.values.length - 1
    const moves = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -(cursor % columns),
      End: columns - 1 - cursor % columns}
    if (event.key in moves) {
      const next = cursor + moves[event.key]
      if (next >= 0 && next <= last) cursor = next
    } else if (event.key == " " || event.key == "Enter") {
      put(cursor, panels.query.values[cursor] > 0 ? -1 : 1)
    } else return
    event.preventDefault()
    focused = true
    describe()
    draw(panels.query)
  })

  let brush = null
  function cellAt(event) {
    const box = canvas.getBoundingClientRect(), columns = model.columns
    const rows = Math.ceil(panels.query.values.length / columns)
    const column = Math.floor((event.clientX - box.left) / box.width * columns)
    const row = Math.floor((event.clientY - box.top) / box.height * rows)
    const cell = row * columns + column
    return column >= 0 && column < columns && row >= 0 && cell < panels.query.values.length ? cell : null
  }
  canvas.addEventListener("pointerdown", event => {
    const cell = cellAt(event)
    if (cell == null || event.button) return
    canvas.setPointerCapture(event.pointerId)
    cursor = cell
    brush = panels.query.values[cell] > 0 ? -1 : 1
    put(cell, brush)
  })
  canvas.addEventListener("pointermove", event => {
    const cell = brush == null ? null : cellAt(event)
    if (cell != null) put(cell, brush)
  })
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { brush = null })

  function stop() {
    clearInterval(timer)
    timer = null
    play.textContent = "Play"
  }
  slider.addEventListener("input", () => { stop(); showState() })
  play.addEventListener("click", () => {
    if (timer != null) return stop()
    if (slider.value == slider.max) slider.value = 0
    play.textContent = "Pause"
    timer = setInterval(() => {
      slider.value = Number(slider.value) + 1
      showState()
      if (slider.value == slider.max) stop()
    }, 50)
  })

  const redraw = () => Object.values(panels).forEach(draw)
  DARK.addEventListener("change", redraw)
  model.on("version", showAll)
  model.on("after_render", redraw)  // colours are known once the page has the pictures
  model.on("remove", () => { stop(); DARK.removeEventListener("change", redraw) })
  slider.max = slider.value = 0
  showAll()
  return root
}
