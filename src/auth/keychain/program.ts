/**
 * The process that talks to the OS keychain: one request, one answer, end. A keychain that hangs hangs this process
 * only, which is killed then; a native call cannot be given up in any other way.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type Keytar, readSecret, removeSecret, WINDOWS_ENTRY_CHARACTERS, writeSecret } from './entries.ts'
import type { KeychainAnswer, KeychainRequest } from './protocol.ts'

const NO_BUS = 'no D-Bus session runs here, and the Secret Service needs one'
/** Whoever asked has given up by then, or is gone. */
const END_AFTER_MS = 20_000
setTimeout(() => process.exit(1), END_AFTER_MS).unref()

const request: KeychainRequest = JSON.parse(await text(process.stdin))
// The start is over, and the keychain's time begins: white space, which JSON may begin with.
process.stdout.write('\n')
const answer = await handle(request).catch((error): KeychainAnswer => {
  return { failure: hasNoBus() ? NO_BUS : error instanceof Error ? error.message : String(error) }
})
process.stdout.write(JSON.stringify(answer), () => process.exit(0))

/**
 * Servers, containers and plain SSH logins have no session bus: neither its address nor the socket that is there
 * without one. sd_bus_open_user(3)
 */
function hasNoBus(): boolean {
  const { DBUS_SESSION_BUS_ADDRESS, XDG_RUNTIME_DIR } = process.env
  const isThere = XDG_RUNTIME_DIR !== undefined && existsSync(join(XDG_RUNTIME_DIR, 'bus'))
  return process.platform === 'linux' && !DBUS_SESSION_BUS_ADDRESS && !isThere
}

async function handle(asked: KeychainRequest): Promise<KeychainAnswer> {
  const keytar = await openKeychain()
  switch (asked.operation) {
    case 'read':
      return { secret: (await readSecret(keytar, asked.account)) ?? null }
    case 'remove':
      return { removed: await removeSecret(keytar, asked.account) }
    case 'write': {
      const limit = process.platform === 'win32' ? WINDOWS_ENTRY_CHARACTERS : undefined
      await writeSecret(keytar, asked.account, asked.secret, limit)
      return { written: true }
    }
  }
}

/**
 * keytar's interface of @napi-rs/keyring. On Linux that would fall back to the kernel's keyring without a word when
 * there is no Secret Service, and lose the login at the next boot; there the same entries are opened pinned.
 */
async function openKeychain(): Promise<Keytar> {
  if (process.platform !== 'linux') return (await import('@napi-rs/keyring/keytar.js')).default
  const { AsyncEntry } = await import('@napi-rs/keyring')
  const open = (service: string, account: string) =>
    new AsyncEntry(service, account, { linux: { store: 'secret-service' } })
  return {
    getPassword: async (service, account) => open(service, account).getPassword(),
    setPassword: async (service, account, password) => open(service, account).setPassword(password),
    deletePassword: async (service, account) => open(service, account).deletePassword(),
  }
}
