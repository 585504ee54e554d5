import type { KoaContextWithOIDC } from 'oidc-provider'
import { html } from './html.ts'
import { command, layout } from './layout.ts'

export function logOutPage(context: KoaContextWithOIDC, _form: string): void {
  const state = context.oidc.session?.state as { secret?: unknown } | undefined
  context.type = 'html'
  context.body = layout({
    title: 'Log out?',
    lead: 'This browser forgets who you are.',
    content: html`<form method="post" action="${context.oidc.urlFor('end_session_confirm')}">
<input type="hidden" name="xsrf" value="${String(state?.secret ?? '')}">
<div class="actions">
<button type="submit" name="logout" value="yes" autofocus>Log out</button>
<button type="submit" class="plain">Stay logged in</button>
</div>
</form>`,
  })
}

export function loggedOutPage(context: KoaContextWithOIDC): void {
  context.type = 'html'
  context.body = layout({
    title: context.oidc.params?.['client_id'] ? 'Still logged in' : 'Logged out',
    mark: 'done',
    content: html`<p>You can close this page. The command line has its own login, which ends with:</p>
${command('imgctl logout')}`,
  })
}
