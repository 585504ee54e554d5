/** What a case puts at a path: text of a file, a link, or something rarer. `mode` is chmod's number. */
export type CaseEntry =
  | string
  | { readonly text: string; readonly mode?: number; readonly owner?: number }
  | { readonly bytes: readonly number[] }
  | { readonly folder: true; readonly mode?: number }
  | { readonly symlink: string }
  | { readonly hardlink: string }
  | { readonly special: 'socket' | 'fifo' }

/**
 * One build context and how `docker build` is called on it. Paths are relative to the case's folder: the
 * context is `context/`, so `context/a` is inside of it and `other/a` is not.
 */
export interface ContextCase {
  readonly name: string
  readonly files: Readonly<Record<string, CaseEntry>>
  /** The argument of `--file`; the client's default when absent. `-` sends DOCKERFILE on stdin. */
  readonly dockerfile?: string
}

/** Every case builds this one: the image then holds what the builder saw. */
export const DOCKERFILE = 'FROM scratch\nCOPY . /\n'

/** A small project with names that the patterns below tell apart. */
const PROJECT = {
  'README.md': 'r',
  'a.log': '1',
  'b.log': '22',
  'c.txt': '333',
  'docs/readme.md': 'r',
  'docs/guide.md': 'gg',
  'docs/img/logo.svg': 's',
  'node_modules/x/index.js': 'x',
  'node_modules/x/a.log': '4',
  'src/main.js': 'm',
  'src/main.test.js': 't',
  'src/lib/util.js': 'u',
  'src/lib/deep/a.log': '5',
  'src/.hidden': 'h',
}

type Files = Readonly<Record<string, CaseEntry>>

function inContext(files: Files): Files {
  return Object.fromEntries(Object.entries(files).map(([path, entry]) => [`context/${path}`, entry]))
}

/** The project with this ignore file at the root of its context. */
function ignoring(name: string, ignore: CaseEntry, files: Files = PROJECT): ContextCase {
  const all = { Dockerfile: DOCKERFILE, ...files, '.dockerignore': ignore }
  return { name, files: inContext(all) }
}

function tree(name: string, files: Files, dockerfile?: string): ContextCase {
  return { name, files, ...(dockerfile === undefined ? {} : { dockerfile }) }
}

const ABC = { 'a/b/c/d.txt': 'd', 'a/b/e.txt': 'e', 'a/f.txt': 'f', 'ab/g.txt': 'g', 'h.txt': 'h' }
const LETTERS = {
  a1: 'a',
  b1: 'b',
  c1: 'c',
  d1: 'd',
  '^1': '^',
  '!1': '!',
  '-1': '-',
  ']1': ']',
  'e/a1': 'e',
}
const ODD = {
  'a+b(c).txt': '1',
  $x: '2',
  '{y}': '3',
  'p|q': '4',
  '*star': '5',
  '#hash': '6',
  '!bang': '7',
  'two words': '8',
  'back\\slash': '9',
  ünï: '10',
  '日本/x.txt': '11',
  '[x]': '12',
  '^f': '13',
  f: '14',
  '7': '15',
  d: '16',
  n: '17',
}

const READING: readonly ContextCase[] = [
  tree('no ignore file', inContext({ Dockerfile: DOCKERFILE, ...PROJECT })),
  ignoring('an empty ignore file', ''),
  ignoring('comments and blank lines', '#hash\n\n   \n#*\nf\n', ODD),
  ignoring('a # after a blank is no comment', ' #hash\n', ODD),
  ignoring('an escaped # is no comment', '\\#hash\n', ODD),
  ignoring('a byte order mark', '\ufeffa.log\nb.log\n'),
  ignoring('a byte order mark before a comment', '\ufeff#a.log\nb.log\n'),
  ignoring('CRLF lines', 'a.log\r\n!b.log\r\nsrc\r\n'),
  ignoring('CR alone does not end a line', 'a.log\rb.log\n'),
  ignoring('no newline at the end', 'a.log\nb.log'),
  ignoring('blanks and tabs around patterns', '  a.log \t\n\tb.log  \n'),
  ignoring('a no-break space at the end', 'a.log\u00a0\nb.log\u3000\n'),
  ignoring('a blank inside a pattern', 'two words\n', ODD),
  ignoring('a leading slash', '/a.log\n/src\n/docs/guide.md\n'),
  ignoring('two leading slashes', '//a.log\n'),
  ignoring('a leading ./', './a.log\n./src/lib\n'),
  ignoring('a trailing slash on a folder', 'src/\n'),
  ignoring('a trailing slash on a file', 'a.log/\n'),
  ignoring('slashes in a row', 'src//lib\n'),
  ignoring('a .. that stays inside', 'docs/../src/./lib\n'),
  ignoring('a .. that leads out', '../a.log\n../context/b.log\n'),
  ignoring('a dot', '.\n'),
  ignoring('a slash', '/\n'),
  ignoring('an exception with a leading slash', '*\n!/src\n'),
  ignoring('a blank after the exclamation mark', '*.log\n! a.log\n'),
  ignoring('two exclamation marks', '*\n!!bang\n', ODD),
  ignoring('an escaped exclamation mark', '\\!bang\n', ODD),
]

const PATTERNS: readonly ContextCase[] = [
  ignoring('a star', '*\n'),
  ignoring('a star before a suffix: one level', '*.log\n'),
  ignoring('a star for a folder', '*/*.md\n'),
  ignoring('a star in the middle', 'src/*.js\n'),
  ignoring('a star does not cross a slash', 'src/*/a.log\n'),
  ignoring('two stars and a suffix', '**/*.log\n'),
  ignoring('two stars and a name', '**/a.log\n'),
  ignoring('two stars and a folder', '**/lib\n'),
  ignoring('two stars alone', '**\n'),
  ignoring('two stars and a slash', '**/\n'),
  ignoring('two stars at the end', 'src/**\n'),
  ignoring('two stars at the end, with a slash', 'src/**/\n'),
  ignoring('two stars in the middle', 'src/**/a.log\n'),
  ignoring('two stars on both sides', '**/lib/**\n'),
  ignoring('two stars without a slash before a name', '**log\n'),
  ignoring('two stars without a slash after a name', 'src**\n', { ...PROJECT, 'src2/x': 'x', srcfile: 'y' }),
  ignoring('two stars without slashes in a name', 's**s\n', { ...PROJECT, 'sass/x': 'x', sins: 'y' }),
  ignoring('two stars match no folder too', '**/**/a.log\n'),
  ignoring('a question mark', '?.log\nsrc?lib\n'),
  ignoring('a class', '[ab]1\n', LETTERS),
  ignoring('a range', '[a-c]1\n', LETTERS),
  ignoring('a negated class', '[^ab]1\n', LETTERS),
  ignoring('an exclamation mark in a class is itself', '[!a]1\n', LETTERS),
  ignoring('an escaped bracket in a class', '[\\]\\-]1\n', LETTERS),
  ignoring('a star in a class', '[*]star\n', ODD),
  ignoring('a named class', '[[:digit:]]\n[[:alpha:]]\n', { ...ODD, ':]': 'q' }),
  ignoring('an escaped star', '\\*star\n', ODD),
  ignoring('an escaped letter is a class of letters', '\\d\n\\w\n', ODD),
  ignoring('a caret at the start', '^f\n', ODD),
  ignoring('a caret at the start of a pattern with a star', '^f*\n', ODD),
  ignoring('characters that regular expressions know', 'a+b(c).txt\n$x\n{y}\np|q\n', ODD),
  ignoring('the same with a star', 'a+b(c).*\n$*\n{*}\np|*\n', ODD),
  ignoring('a number in braces repeats next to a star', 'fo{2}*\nx{a*\n', {
    fo: '1',
    foo: '2',
    food: '3',
    'fo{2}': '4',
    'x{ab': '5',
    xab: '6',
  }),
  ignoring('a bar next to a star is an or', 'c.txt|*.log\n'),
  ignoring('letters outside of ASCII', 'ün?\n日*\n', ODD),
  ignoring('capitals are other letters', 'SRC\nA.log\nreadme.md\n'),
  ignoring('names with a dot', '.*\n', { ...PROJECT, '.git/config': 'g', '.env': 'e' }),
  ignoring('an unreadable range', '[z-a]1\n', LETTERS),
  ignoring('a class without end', 'c.txt\nsrc/[ab\n'),
  ignoring('an empty class', '[]a]1\n', LETTERS),
  ignoring('a backslash at the end', 'a.log\\\n'),
  ignoring('an exclamation mark alone', 'a.log\n!\n'),
  ignoring('an exception of the root', '*\n!/\n'),
]

const EXCEPTIONS: readonly ContextCase[] = [
  ignoring('a file in an ignored folder', 'docs\n!docs/readme.md\n'),
  ignoring('the same in the other order', '!docs/readme.md\ndocs\n'),
  ignoring('a file in a folder whose content is ignored', 'docs/*\n!docs/readme.md\n'),
  ignoring('the same with two stars', 'docs/**\n!docs/readme.md\n'),
  ignoring('all but a folder', '*\n!src\n'),
  ignoring('all but a folder, with a slash', '*\n!src/\n'),
  ignoring('all but what is in a folder', '*\n!src/*\n'),
  ignoring('all but what is anywhere in a folder', '*\n!src/**\n'),
  ignoring('all but some files of a folder', '*\n!src/*.js\n'),
  ignoring('all but some files anywhere', '*\n!**/*.js\n'),
  ignoring('all at any depth but some files anywhere', '**\n!**/*.js\n'),
  ignoring('all but some files of folders', '*\n!*/*.js\n'),
  ignoring('an exception from an exception', '*\n!src\nsrc/lib\n!src/lib/deep\n'),
  ignoring('the last line that matches wins', '*.log\n!a.log\na.*\n!a.log\n'),
  ignoring('a folder in an ignored folder', 'a\n!a/b\n', ABC),
  ignoring('an exception of the parent after its child', 'a/b\n!a\n', ABC),
  ignoring('an exception of the parent before its child', '!a\na/b\n', ABC),
  ignoring('all, but the parent, and its child', '*\n!a\na/b\n', ABC),
  ignoring('all, and the child, but the parent', '*\na/b\n!a\n', ABC),
  ignoring('an exception that only starts alike', 'ab\n!a\n', ABC),
  ignoring('an exception deep below', 'a\n!a/b/c/d.txt\n', ABC),
  ignoring('an exception with a question mark', 'a\n!a/?/e.txt\n', ABC),
  ignoring('modes of the folders above an exception', 'a\n!a/b/e.txt\n', {
    ...ABC,
    a: { folder: true, mode: 0o700 },
    'a/b': { folder: true, mode: 0o750 },
  }),
  ignoring('an empty folder as an exception', '*\n!empty\n', { ...ABC, empty: { folder: true } }),
  ignoring('an exception that matches nothing', 'node_modules\n!node_modules/none\n'),
  ignoring('an exception from any markdown', '*.md\n!README*.md\nREADME-secret.md\n', {
    'README.md': '1',
    'README-secret.md': '2',
    'x.md': '3',
  }),
]

const DOCKERFILES: readonly ContextCase[] = [
  ignoring('the Dockerfile is ignored', 'Dockerfile\n'),
  ignoring('the ignore file is ignored', '.dockerignore\n'),
  ignoring('both are ignored', 'Dockerfile*\n.docker*\n'),
  tree('an ignore file of the Dockerfile', {
    ...inContext({ Dockerfile: DOCKERFILE, ...PROJECT, '.dockerignore': 'src\n' }),
    'context/Dockerfile.dockerignore': 'docs\n',
  }),
  tree('an empty ignore file of the Dockerfile', {
    ...inContext({ Dockerfile: DOCKERFILE, ...PROJECT, '.dockerignore': 'src\n' }),
    'context/Dockerfile.dockerignore': '',
  }),
  tree('an ignore file of the Dockerfile that ignores both', {
    ...inContext({ Dockerfile: DOCKERFILE, ...PROJECT }),
    'context/Dockerfile.dockerignore': 'Dockerfile*\nsrc\n',
  }),
  tree(
    'a Dockerfile of another name',
    inContext({
      'Containerfile.prod': DOCKERFILE,
      Dockerfile: 'FROM x',
      ...PROJECT,
      '.dockerignore': '*.prod',
    }),
    'context/Containerfile.prod',
  ),
  tree(
    'a Dockerfile in a folder, with its ignore file',
    inContext({
      'docker/app.Dockerfile': DOCKERFILE,
      'docker/app.Dockerfile.dockerignore': 'docs\n*.log\n',
      '.dockerignore': 'src',
      ...PROJECT,
    }),
    'context/docker/app.Dockerfile',
  ),
  tree(
    'a Dockerfile in an ignored folder',
    inContext({
      'docker/Dockerfile': DOCKERFILE,
      'docker/x': 'x',
      '.dockerignore': 'docker\n',
      'a.txt': 'a',
    }),
    'context/docker/Dockerfile',
  ),
  tree(
    'a Dockerfile outside',
    { ...inContext({ ...PROJECT, '.dockerignore': 'src\n' }), 'other/Dockerfile': DOCKERFILE },
    'other/Dockerfile',
  ),
  tree(
    'a Dockerfile outside and another inside',
    { ...inContext({ ...PROJECT, Dockerfile: 'FROM x' }), 'other/Dockerfile': DOCKERFILE },
    'other/Dockerfile',
  ),
  tree(
    'a Dockerfile outside, with its ignore file',
    {
      ...inContext({ ...PROJECT, '.dockerignore': 'src\n' }),
      'other/Dockerfile': DOCKERFILE,
      'other/Dockerfile.dockerignore': 'docs\n',
    },
    'other/Dockerfile',
  ),
  tree('a Dockerfile on stdin', inContext({ ...PROJECT, '.dockerignore': 'src\n' }), '-'),
  tree(
    'a Dockerfile on stdin with files of the usual names',
    inContext({
      ...PROJECT,
      Dockerfile: 'FROM x',
      '.dockerignore': 'src\n',
      'Dockerfile.dockerignore': 'docs\n',
    }),
    '-',
  ),
  tree('a Dockerfile in small letters', inContext({ dockerfile: DOCKERFILE, 'a.txt': 'a' })),
  tree(
    'a Dockerfile that is a link',
    inContext({ Dockerfile: { symlink: 'docker/real' }, 'docker/real': DOCKERFILE, 'a.txt': 'a' }),
  ),
  ignoring('an ignore file that is a link', { symlink: 'rules' }, { rules: 'a.log\n', 'a.log': 'a', b: 'b' }),
  ignoring('an ignore file that is a folder', { folder: true }, { 'a.txt': 'a' }),
  ignoring('an ignore file below the root means nothing', 'a.log\n', {
    ...PROJECT,
    'src/.dockerignore': '*\n',
  }),
]

const FILES: readonly ContextCase[] = [
  ignoring('links stay links', 'none\n', {
    'real/a.txt': 'a',
    'to-file': { symlink: 'real/a.txt' },
    'to-folder': { symlink: 'real' },
    'to-nothing': { symlink: 'nothing' },
    absolute: { symlink: '/etc/hostname' },
    'real/up': { symlink: '../real/a.txt' },
  }),
  ignoring('a link that leads out', 'none\n', { out: { symlink: '../../etc/passwd' }, b: 'b' }),
  ignoring('a link to itself', 'none\n', { loop: { symlink: 'loop' }, b: 'b' }),
  ignoring('a link is ignored, not what it leads to', 'to-folder\n', {
    'real/a.txt': 'a',
    'to-folder': { symlink: 'real' },
  }),
  ignoring('a pattern does not go through a link', 'to-folder/a.txt\n', {
    'real/a.txt': 'a',
    'to-folder': { symlink: 'real' },
  }),
  ignoring('hard links', 'none\n', {
    'a.txt': 'aa',
    'b.txt': { hardlink: 'a.txt' },
    'c/d.txt': { hardlink: 'a.txt' },
  }),
  ignoring('a hard link whose first name is ignored', 'a.txt\n', {
    'a.txt': 'aa',
    'b.txt': { hardlink: 'a.txt' },
    'c.txt': { hardlink: 'a.txt' },
  }),
  ignoring('modes', 'none\n', {
    private: { text: 'p', mode: 0o600 },
    program: { text: '#!/bin/sh\n', mode: 0o755 },
    all: { text: 'a', mode: 0o777 },
    setuid: { text: 's', mode: 0o4755 },
    setgid: { text: 's', mode: 0o2755 },
    none: { text: 'n', mode: 0o000 },
    'none.txt': { text: 'n', mode: 0o000 },
    folder: { folder: true, mode: 0o700 },
    'folder/x': 'x',
    sticky: { folder: true, mode: 0o1777 },
  }),
  ignoring('owners', 'none\n', { mine: { text: 'm', owner: 1000 }, ours: 'o' }),
  ignoring('empty folders', 'ignored\n', {
    empty: { folder: true },
    ignored: { folder: true },
    'nested/empty': { folder: true },
  }),
  ignoring('a folder whose files are all ignored', 'dir/*\n', { 'dir/a': 'a', 'dir/b': 'b' }),
  ignoring('an empty file', 'none\n', { nothing: '' }),
  ignoring('a socket', 'none\n', { 'a.sock': { special: 'socket' }, b: 'b' }),
  ignoring('a named pipe', 'none\n', { pipe: { special: 'fifo' }, b: 'b' }),
  ignoring('long names', 'none\n', {
    [`${'n'.repeat(200)}.txt`]: 'n',
    [`${'d'.repeat(90)}/${'e'.repeat(90)}/f.txt`]: 'f',
    link: { symlink: 't'.repeat(180) },
  }),
  ignoring('names outside of ASCII', 'none\n', {
    'grüße/日本語.txt': 'x',
    'naïve link': { symlink: 'grüße' },
  }),
  ignoring(
    'bytes that are no text',
    { bytes: [0x61, 0x0a, 0xff, 0xfe, 0x0a, 0x62, 0x0a] },
    { a: 'a', b: 'b', c: 'c' },
  ),
]

export const CONTEXT_CASES: readonly ContextCase[] = [
  ...READING,
  ...PATTERNS,
  ...EXCEPTIONS,
  ...DOCKERFILES,
  ...FILES,
]
