// A slider over a list of values or over integers, made of the browser's own control, which knows keys, touch and screen readers.

export function render({model}) {
  const root = document.createElement("label")
  root.className = "setting"
  const symbol = document.createElement("b"), help = document.createElement("span"), shown = document.createElement("output")
  const input = document.createElement("input")
  input.type = "range"
  input.min = 0
  root.append(symbol, help, shown, input)

  function show() {
    const {values, first, last} = model, at = values.length ? values.indexOf(model.value) : model.value - first
    symbol.textContent = model.label
    help.textContent = model.help
    input.max = values.length ? values.length - 1 : last - first
    if (Number(input.value) != at) input.value = at
    input.disabled = model.disabled
    root.classList.toggle("disabled", model.disabled)
    input.setAttribute("aria-label", `${model.label}: ${model.help}`)
    shown.textContent = Number(model.value.toPrecision(4))
    input.setAttribute("aria-valuetext", shown.textContent)
  }

  input.addEventListener("input", () => {
    const at = Number(input.value)
    model.value = model.values.length ? model.values[at] : model.first + at
    show()
  })
  model.on(["values", "first", "last", "value", "disabled", "label", "help"], show)
  show()
  return root
}
