// A choice of file. What is too large is not sent: the server would close the connection.

export function render({model}) {
  const root = document.createElement("label")
  root.className = "chooser"
  const input = document.createElement("input")
  input.type = "file"
  input.accept = ".npy,.npz,.csv"
  const text = document.createElement("span")
  text.textContent = "Pattern file: one pattern per row"
  root.append(text, input)
  input.addEventListener("change", () => {
    const [file] = input.files
    if (!file) return
    text.textContent = `Pattern file: ${file.name}`
    const sent = {name: file.name, size: file.size, count: (model.file.count ?? 0) + 1}
    if (file.size > model.largest) {
      model.file = {...sent, data: ""}
      return
    }
    const reader = new FileReader()
    reader.onload = () => { model.file = {...sent, data: reader.result.split(",")[1] ?? ""} }
    reader.readAsDataURL(file)
    input.value = ""
  })
  return root
}
