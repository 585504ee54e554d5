import type { KoaContextWithOIDC } from 'oidc-provider'
import { html } from './html.ts'
import { alert, layout } from './layout.ts'

/** Of the issuer library's errors, those that a wrong code makes. */
const PROBLEMS: Readonly<Record<string, string>> = {
  NoCodeError: 'Type the code that imgctl shows.',
  NotFoundError: 'There is no such code. Compare it with the one that imgctl shows.',
  ExpiredError: 'This code has expired. Run imgctl login again for a new one.',
  AlreadyUsedError: 'This code has been used. Run imgctl login again for a new one.',
}
const ABORTED = new Set(['AbortedError', 'AccessDenied'])

/** Asks for the code that another device shows. RFC 8628, section 3.3. */
export function deviceCodePage(context: KoaContextWithOIDC, _form: string, error?: Error): void {
  context.type = 'html'
  context.body = error && ABORTED.has(error.name) ? cancelledPage() : codePage(context, error)
}

function codePage(context: KoaContextWithOIDC, error: Error | undefined): string {
  const problem = error && (PROBLEMS[error.name] ?? 'That did not work. Type the code again.')
  const typed = error && 'userCode' in error ? String(error.userCode) : prefilled(context)
  return layout({
    title: 'Connect a device',
    lead: 'Type the code that imgctl shows on the device where you are logging in.',
    content: html`${problem === undefined ? undefined : alert(problem)}
<form method="post" action="${context.oidc.urlFor('code_verification')}">
<input type="hidden" name="xsrf" value="${secretOf(context)}">
<label for="code">Code</label>
<input type="text" class="code-field" id="code" name="user_code" value="${typed}" autocomplete="one-time-code" autocapitalize="characters" spellcheck="false" required maxlength="20" autofocus ${problem === undefined ? undefined : html`aria-invalid="true" aria-describedby="problem"`}>
<div class="actions"><button type="submit">Continue</button></div>
</form>`,
  })
}

/** Shows the code once more: whoever was sent a link by a stranger sees what it is for. */
export function confirmDevicePage(context: KoaContextWithOIDC, _form: string, userCode: string): void {
  context.type = 'html'
  context.body = layout({
    title: 'Is this your code?',
    lead: 'It must be the one that imgctl shows you now, on your own device.',
    content: html`<p class="user-code">${userCode}</p>
<form method="post" action="${context.oidc.urlFor('code_verification')}">
<input type="hidden" name="xsrf" value="${secretOf(context)}">
<input type="hidden" name="user_code" value="${userCode}">
<div class="actions">
<button type="submit" name="confirm" value="yes">Yes, continue</button>
<button type="submit" name="abort" value="yes" class="plain">No, cancel</button>
</div>
</form>
<p class="note">If somebody sent you this code or a link to this page, cancel: they would get into your account.</p>`,
  })
}

export function deviceDonePage(context: KoaContextWithOIDC): void {
  context.type = 'html'
  context.body = layout({
    title: 'Device connected',
    mark: 'done',
    lead: 'imgctl goes on by itself in a few seconds.',
    content: html`<p>You can close this page.</p>`,
  })
}

function cancelledPage(): string {
  return layout({
    title: 'Cancelled',
    mark: 'failed',
    lead: 'The device was not connected to your account.',
    content: html`<p>You can close this page.</p>`,
  })
}

/** The secret of this browser's form, which the issuer library compares. */
function secretOf({ oidc }: KoaContextWithOIDC): string {
  return String((oidc.session?.state as { secret?: unknown } | undefined)?.secret ?? '')
}

/** From the link that a device shows as a picture. The person still has to confirm it. */
export const PREFILLED = 'prefilledUserCode'
function prefilled({ req }: KoaContextWithOIDC): string {
  return String((req as { [PREFILLED]?: unknown })[PREFILLED] ?? '')
}
