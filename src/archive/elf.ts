/** Bytes from a file's start that `elfArchitecture` needs. */
export const ELF_HEADER_BYTES = 20

const MAGIC = [0x7f, 0x45, 0x4c, 0x46]
const LITTLE_ENDIAN = 1
const CLASS_64 = 2

/**
 * e_machine, https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html and its registry of machines.
 */
const EM_386 = 3
const EM_MIPS = 8
const EM_PPC64 = 21
const EM_S390 = 22
const EM_ARM = 40
const EM_X86_64 = 62
const EM_AARCH64 = 183
const EM_RISCV = 243
const EM_LOONGARCH = 258

/**
 * The architecture that a program is for, in Go's words (GOARCH), from its first 20 bytes or more. Undefined
 * when they are no ELF header or Go has no word for the machine.
 */
export function elfArchitecture(head: Uint8Array): string | undefined {
  if (head.length < ELF_HEADER_BYTES || !MAGIC.every((byte, i) => head[i] === byte)) return undefined
  const is64 = head[4] === CLASS_64
  const little = head[5] === LITTLE_ENDIAN
  const machine = new DataView(head.buffer, head.byteOffset).getUint16(18, little)
  switch (machine) {
    case EM_386:
      return '386'
    case EM_X86_64:
      // With 32-bit pointers it is x32: no platform of images.
      return is64 ? 'amd64' : undefined
    case EM_ARM:
      return 'arm'
    case EM_AARCH64:
      return 'arm64'
    case EM_RISCV:
      return is64 ? 'riscv64' : 'riscv'
    case EM_PPC64:
      return little ? 'ppc64le' : 'ppc64'
    case EM_S390:
      return is64 ? 's390x' : 's390'
    case EM_MIPS:
      return `mips${is64 ? '64' : ''}${little ? 'le' : ''}`
    case EM_LOONGARCH:
      return is64 ? 'loong64' : undefined
    default:
      return undefined
  }
}
