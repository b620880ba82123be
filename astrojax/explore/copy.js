const done = () => { button.label = "Copied"; setTimeout(() => { button.label = "Copy" }, 1500) }
if (navigator.clipboard) navigator.clipboard.writeText(area.value).then(done)
else {
  // Pages served by another machine without TLS have only this old way to the clipboard.
  const copy = document.createElement("textarea")
  copy.value = area.value
  document.body.append(copy)
  copy.select()
  document.execCommand("copy")
  copy.remove()
  done()
}
