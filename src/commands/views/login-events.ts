import type { OAuthLoginEvent } from '../../operations/login/oauth-login.ts'
import { type Output, textLine, warningLine } from '../../terminal/streams.ts'

/** Says what a person has to do to log in. URLs and codes are plain text, alone on their lines. */
export function showLoginEvent(stderr: Output, event: OAuthLoginEvent): void {
  stderr.write(eventText(stderr, event))
}

function eventText(stderr: Output, event: OAuthLoginEvent): string {
  switch (event.type) {
    case 'authorization-url': {
      const [first, second] = event.opening
        ? ['Opening the browser for authentication ...', 'If opening fails, visit:']
        : ['Log in with a browser on this machine.', 'Visit:']
      return `${first}\n\n${second}\n\n${event.url}\n\n`
    }
    case 'browser-failed':
      return warningLine(stderr, event.reason)
    case 'callback-refused':
      return warningLine(stderr, `${event.reason}; still waiting for this login`)
    case 'device-chosen':
      return `Logging in with a code: ${event.reason} (--web for a browser all the same)\n\n`
    case 'device-code': {
      const lines = [textLine(event.url), 'and enter the code:\n', textLine(event.userCode)]
      const end = `The code is good for ${event.minutes} minutes. Waiting ...`
      return `On any device, visit:\n\n${lines.join('\n')}\n${end}\n`
    }
    case 'clock-off':
      return warningLine(stderr, clockText(event.seconds))
  }
}

function clockText(seconds: number): string {
  const minutes = Math.round(Math.abs(seconds) / 60)
  const amount = minutes > 1 ? `${minutes} minutes` : `${Math.abs(seconds)} seconds`
  return `this machine's clock is ${amount} ${seconds > 0 ? 'ahead of' : 'behind'} the issuer's; please set it`
}
