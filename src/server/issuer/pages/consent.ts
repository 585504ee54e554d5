import type { Permission } from '../../../contract/identity.ts'
import { html } from './html.ts'
import { layout } from './layout.ts'

export interface ConsentPage {
  readonly host: string
  readonly csrf: string
  readonly login: string
  /** Where the answer goes: a program on this machine, or one that shows a code. */
  readonly goesTo: 'this computer' | 'another device'
  readonly memberships: readonly {
    readonly organization: string
    readonly permissions: readonly Permission[]
  }[]
}

const WORDS: Readonly<Record<Permission, string>> = {
  admin: 'everything, as an administrator',
  'read:images': 'see and pull images',
  'write:images': 'push and change images',
  'delete:images': 'delete images',
  'read:registries': 'see registries',
  'write:registries': 'add and change registries',
  'delete:registries': 'remove registries',
}

/** Asks whether imgctl may act for who is logged in. */
export function consentPage({ host, csrf, login, goesTo, memberships }: ConsentPage): string {
  const place = goesTo === 'this computer' ? 'on this computer' : 'on the device that showed you the code'
  const rights = memberships.map(
    ({ organization, permissions }) => html`<li>${organization}<span>${describe(permissions)}</span></li>`,
  )
  return layout({
    title: 'Allow imgctl?',
    lead: html`imgctl <strong>${place}</strong> wants to act for you on <strong>${host}</strong>.`,
    content: html`<form method="post">
<input type="hidden" name="csrf" value="${csrf}">
<div class="who"><span>Logged in as <strong>${login}</strong></span>
<button type="submit" name="action" value="switch" class="link">Use another account</button></div>
<h2>It will be able to do what you may do</h2>
${
  rights.length > 0
    ? html`<ul class="rights">${rights}</ul>`
    : html`<p>You are in no organization yet, so it will be able to do nothing.</p>`
}
<div class="actions">
<button type="submit" name="action" value="allow">Allow</button>
<button type="submit" name="action" value="deny" class="plain">Cancel</button>
</div>
</form>
<p class="note">If you did not start this with <code>imgctl login</code>, cancel.</p>`,
  })
}

function describe(permissions: readonly Permission[]): string {
  const named: readonly Permission[] = permissions.includes('admin') ? ['admin'] : permissions
  const words = named.map((permission) => WORDS[permission])
  return words.length === 0 ? 'nothing' : words.join(', ')
}
