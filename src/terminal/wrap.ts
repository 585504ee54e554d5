/** A text that goes on in the next line is readable in this width; narrower, the terminal may break the lines. */
export const NARROWEST_TEXT = 16

/** Lines of at most `width`, broken between words where that is possible. At least one. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let rest = [...text]
  while (rest.length > width) {
    const space = rest.lastIndexOf(' ', width)
    const end = space > 0 ? space : width
    lines.push(rest.slice(0, end).join(''))
    rest = rest.slice(space > 0 ? end + 1 : end)
  }
  return [...lines, rest.join('')]
}
