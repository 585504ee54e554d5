/** What the classic builder writes between the shell and an instruction that it ran itself. */
const NOP = '#(nop)'
/** The shell stands before it; further on it is part of a command. */
const LONGEST_SHELL = 100
const BUILDKIT_MARK = / # buildkit$/
/** `|2 A=1 B=two words `: the build arguments of a RUN, counted. */
const ARGUMENT_COUNT = /^\|(\d{1,3}) /
const ASSIGNMENT = /^[A-Za-z_]\w*=/
/**
 * `/bin/sh -c `, `/bin/bash -o pipefail -c `, `/bin/busybox sh -c `, and Windows's two.
 * https://docs.docker.com/reference/dockerfile/#shell
 */
const SHELL =
  /^(?:(?:\/\S+ )?\/?(?:[\w.-]+\/)*(?:a|ba|da|k|z)?sh(?: -(?!c )\S+(?: pipefail)?)* -c |cmd \/S \/C |powershell (?:-\w+ )*-Command )/i

/**
 * What a builder wrote of a step, as its Dockerfile has it: `/bin/sh -c #(nop)  CMD ["a"]` is `CMD ["a"]`,
 * `|1 V=1 /bin/sh -c make` and `RUN /bin/sh -c make # buildkit` are `RUN make`. In one line. What is neither
 * (`/bin/bash` of a commit) stays.
 */
export function cleanInstruction(createdBy: string): string {
  const text = createdBy.replace(/\s+/g, ' ').trim().replace(BUILDKIT_MARK, '')
  const nop = text.indexOf(NOP)
  if (nop >= 0 && nop <= LONGEST_SHELL) return text.slice(nop + NOP.length).trim()
  const isRun = text.startsWith('RUN ')
  const run = isRun ? text.slice('RUN '.length) : text
  const command = withoutArguments(run)
  const bare = command.replace(SHELL, '')
  return isRun || bare !== run ? `RUN ${bare}` : text
}

/** A value may have spaces: it ends where the next assignment begins, the last one where a program's path does. */
function withoutArguments(text: string): string {
  const counted = ARGUMENT_COUNT.exec(text)
  if (!counted) return text
  let rest = text.slice(counted[0].length)
  for (let left = Number(counted[1]); left > 0 && ASSIGNMENT.test(rest); left--) {
    const end = left > 1 ? rest.search(/ [A-Za-z_]\w*=/) : rest.search(/ (?:\/|cmd \/|powershell )/i)
    const cut = end >= 0 ? end : rest.indexOf(' ')
    if (cut < 0) return rest
    rest = rest.slice(cut + 1)
  }
  return rest
}
