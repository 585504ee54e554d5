import { MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH } from '../../identity/accounts.ts'
import { html } from './html.ts'
import { alert, command, layout } from './layout.ts'

export interface SetupPage {
  readonly host: string
  readonly csrf: string
  readonly login: string
  readonly problem?: string | undefined
}

/** Asks for the first password, or a new one. */
export function setupPage({ host, csrf, login, problem }: SetupPage): string {
  const wrong = problem === undefined ? undefined : html`aria-invalid="true"`
  const described = problem === undefined ? 'rule' : 'problem rule'
  return layout({
    title: 'Choose a password',
    lead: html`for <strong>${login}</strong> on <strong>${host}</strong>`,
    content: html`${problem === undefined ? undefined : alert(problem)}
<form method="post" action="/oidc/setup">
<input type="hidden" name="csrf" value="${csrf}">
<input type="text" name="username" value="${login}" autocomplete="username" hidden>
<label for="password">New password</label>
<input type="password" id="password" name="password" autocomplete="new-password" required minlength="${MIN_PASSWORD_LENGTH}" maxlength="${MAX_PASSWORD_LENGTH}" aria-describedby="${described}" ${wrong} autofocus>
<p class="rule" id="rule">At least ${MIN_PASSWORD_LENGTH} characters. A few random words are easy to remember.</p>
<label for="repeat">The same again</label>
<input type="password" id="repeat" name="repeat" autocomplete="new-password" required maxlength="${MAX_PASSWORD_LENGTH}" ${wrong}>
<div class="actions"><button type="submit">Set password</button></div>
</form>
<p class="note">This logs ${login} out everywhere else. API keys stay.</p>`,
  })
}

/** @param apiKeys how many go on working: who changes a password that others may know wants to hear of them */
export function setupDonePage(login: string, server: string, apiKeys: number): string {
  return layout({
    title: 'Password set',
    mark: 'done',
    lead: html`You are <strong>${login}</strong>. The setup link is used up.`,
    content: html`<p>Log in with:</p>${command(`imgctl login --server ${server}`)}${apiKeys === 0 ? undefined : keysStay(apiKeys)}`,
  })
}

function keysStay(count: number) {
  return html`<p>${count === 1 ? 'An API key goes' : `${count} API keys go`} on working. Look through them with
<code>imgctl key list</code>; <code>imgctl key revoke NAME</code> ends one.</p>`
}

export function setupGonePage(): string {
  return layout({
    title: 'This link does not work',
    mark: 'failed',
    lead: 'It was used, replaced by a newer one, or is older than a day.',
    content: html`<p>The person who runs the server makes a new one:</p>${command('imgctl serve user passwd NAME')}`,
  })
}
