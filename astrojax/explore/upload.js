// A file chooser. A file that is too large is not sent, since the server would close the connection.

export function render({model}) {
  const root = document.createElement("label")
  root.className = "chooser"
  const input = document.createElement("input")
  input.type = "file"
  input.accept = ".npy,.npz,.csv"
  root.append("Pattern file: one pattern per row", input)
  input.addEventListener("click", () => { input.value = "" })  // so that a file that was changed can be chosen again
  input.addEventListener("change", () => {
    const [file] = input.files
    if (!file) return
    const sent = {name: file.name, size: file.size, count: (model.file.count ?? 0) + 1}
    if (file.size > model.largest) {
      model.file = {...sent, data: ""}
      return
    }
    const reader = new FileReader()
    reader.onload = () => { model.file = {...sent, data: reader.result.split(",")[1] ?? ""} }
    reader.readAsDataURL(file)
  })
  return root
}
