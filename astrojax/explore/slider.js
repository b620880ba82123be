// A slider over a list of values, as the browser's own control: keys, touch and screen readers work as everywhere.

export function render({model}) {
  const root = document.createElement("label")
  root.className = "setting"
  const symbol = document.createElement("b"), help = document.createElement("span"), shown = document.createElement("output")
  const input = document.createElement("input")
  input.type = "range"
  input.min = 0
  root.append(symbol, help, shown, input)

  function show() {
    const at = model.values.indexOf(model.value)
    symbol.textContent = model.label
    help.textContent = model.help
    input.max = model.values.length - 1
    if (at >= 0 && Number(input.value) != at) input.value = at
    input.disabled = model.disabled
    root.classList.toggle("disabled", model.disabled)
    input.setAttribute("aria-label", `${model.label}: ${model.help}`)
    shown.textContent = model.value
    input.setAttribute("aria-valuetext", shown.textContent)
  }

  input.addEventListener("input", () => { model.value = model.values[Number(input.value)]; show() })
  model.on(["values", "value", "disabled", "label", "help"], show)
  show()
  return root
}
