/**
 * The whole terminal for one program: drawn anew each time, keys as they are pressed.
 *
 * Owns: the terminal's mode. It is as it was before (keys by line, echo, cursor, what was on it) after `close`, at every end of the
 * process but SIGKILL, and while the process is suspended (Ctrl-Z).
 */
import { emitKeypressEvents } from 'node:readline'

/** `left`, `pageup`, `escape`, …; a character as it was typed; `ctrl-c`; `closed` when the terminal is gone. */
export type KeyListener = (key: string) => void

export interface Screen {
  readonly columns: number
  readonly rows: number
  /** Lines must not be wider than the screen; those below its last row are not shown. */
  draw(lines: readonly string[]): void
  /** Idempotent. */
  close(): void
}

const enter = '\u001b[?1049h\u001b[?25l'
const leave = '\u001b[?25h\u001b[?1049l'

interface Keypress {
  readonly name?: string
  readonly ctrl?: boolean
  readonly sequence?: string
}

/** Only where `inputIsTerminal()`. `onResize` is called when what was drawn is gone or no longer fits. */
export function openScreen(onKey: KeyListener, onResize: () => void): Screen {
  const { stdin, stdout } = process
  let open = false
  const take = () => {
    open = true
    stdin.setRawMode(true)
    stdout.write(enter)
  }
  const restore = () => {
    if (!open) return
    open = false
    try {
      stdin.setRawMode(false)
      stdout.write(leave)
    } catch {
      // The terminal is gone: there is nothing to restore.
    }
  }
  const suspend = () => {
    restore()
    process.kill(process.pid, 'SIGSTOP')
  }
  const resume = () => {
    if (open) return
    take()
    onResize()
  }
  const quit = () => {
    restore()
    process.exit(131)
  }
  const pressed = (_text: string | undefined, key: Keypress) => {
    if (key.ctrl === true && key.name === 'z') return suspend()
    if (key.ctrl === true && key.name !== undefined) return onKey(`ctrl-${key.name}`)
    // A letter as it was typed: `G` is not `g`.
    const typed = key.sequence !== undefined && /^[\x20-\x7e]$/.test(key.sequence) ? key.sequence : key.name
    if (typed !== undefined) onKey(typed)
  }
  const gone = () => onKey('closed')
  // Whatever ends the process, also a fault of its own.
  process.on('exit', restore)
  process.on('SIGTSTP', suspend)
  process.on('SIGCONT', resume)
  process.on('SIGQUIT', quit)
  stdout.on('resize', onResize)
  emitKeypressEvents(stdin)
  stdin.on('keypress', pressed)
  stdin.on('end', gone)
  stdin.resume()
  take()
  return {
    get columns() {
      return stdout.columns || 80
    },
    get rows() {
      return stdout.rows || 24
    },
    draw(lines) {
      if (!open) return
      const shown = lines.slice(0, stdout.rows || 24)
      stdout.write(`\u001b[H${shown.map((line) => `${line}\u001b[K`).join('\r\n')}\u001b[J`)
    },
    close() {
      restore()
      process.off('exit', restore)
      process.off('SIGTSTP', suspend)
      process.off('SIGCONT', resume)
      process.off('SIGQUIT', quit)
      stdout.off('resize', onResize)
      stdin.off('keypress', pressed)
      stdin.off('end', gone)
      stdin.pause()
    },
  }
}
