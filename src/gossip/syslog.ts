/**
 * A sink that is a syslog receiver: over UDP (RFC 5426), TCP (RFC 6587, with octet counts) or TLS (RFC 5425). Syslog
 * acknowledges nothing: that a head was sent without an error is all that can be known, and over UDP not even that.
 */
import { createSocket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls, TLSSocket } from 'node:tls'
import { concat, utf8 } from '../bytes.ts'
import { CairnError } from '../errors.ts'
import { reasonCode } from './reason.ts'
import type { HeadSink } from './sink.ts'
import type { SyslogAddress } from './syslog-address.ts'
import { formatSyslogMessage } from './syslog-message.ts'

export interface SyslogOptions {
  readonly name: string
  readonly address: SyslogAddress
  readonly facility: number
  readonly enterpriseNumber?: number
  /** PEM certificates by which a TLS receiver is known, instead of those that Node trusts. */
  readonly ca?: Uint8Array
  /** PEM certificate and key that a TLS receiver knows the log by. */
  readonly client?: { readonly certificate: Uint8Array; readonly key: Uint8Array }
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** A host that has no such port says so by ICMP, within this time in most networks. */
const UNREACHABLE_WAIT_MS = 100
/** How long a receiver may take to close the connection after the log did; those that never do are left. */
const CLOSE_WAIT_MS = 2_000

export function syslog(options: SyslogOptions): HeadSink {
  const { name, address, facility, enterpriseNumber, now } = options
  const { transport, host, port } = address
  return {
    name,
    kind: 'syslog',
    target: `${transport}://${host}:${port}`,
    async send(head, signal) {
      const message = formatSyslogMessage(head, {
        facility,
        hostname: hostname(),
        processId: process.pid,
        ...(enterpriseNumber === undefined ? {} : { enterpriseNumber }),
        time: now(),
      })
      try {
        if (transport === 'udp') await sendDatagram(address, message, signal)
        else await sendOnStream(open(options), message, signal)
      } catch (cause) {
        signal.throwIfAborted()
        throw new CairnError('IO', `cannot be sent to (${reasonCode(cause)})`, { cause })
      }
      return {
        detail: `sent by syslog over ${transport.toUpperCase()}, which acknowledges nothing`,
      }
    },
  }
}

async function sendDatagram(
  { host, port }: SyslogAddress,
  message: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  const { address, family } = await lookup(host)
  const socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4', signal })
  const failed = once(socket, 'error').then(([error]) => {
    throw error
  })
  // Whether it fails before or after the wait, somebody listens.
  failed.catch(() => undefined)
  try {
    socket.connect(port, address)
    await Promise.race([once(socket, 'connect'), failed])
    socket.send(message)
    await Promise.race([sleep(UNREACHABLE_WAIT_MS, undefined, { signal }), failed])
  } finally {
    if (!signal.aborted) socket.close()
  }
}

function open({ address, ca, client }: SyslogOptions): Socket {
  const { transport, host, port } = address
  if (transport === 'tcp') return connect({ host, port })
  return connectTls({
    host,
    port,
    ...(ca && { ca: Buffer.from(ca) }),
    ...(client && { cert: Buffer.from(client.certificate), key: Buffer.from(client.key) }),
  })
}

/** SPEC RFC 6587 section 3.4.1: the length in octets, a space, and the message. */
async function sendOnStream(
  socket: Socket,
  message: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  const failed = new Promise<never>((_, reject) => {
    socket.once('error', reject)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  failed.catch(() => undefined)
  const closed = new Promise((resolve) => socket.once('close', resolve))
  try {
    const connected = socket instanceof TLSSocket ? 'secureConnect' : 'connect'
    await Promise.race([new Promise((resolve) => socket.once(connected, resolve)), failed])
    // What a receiver says is nothing to the log, but its goodbye is behind it.
    socket.resume()
    const frame = concat(utf8(`${message.length} `), message)
    await Promise.race([new Promise<void>((resolve) => socket.end(frame, resolve)), failed])
    await Promise.race([closed, failed, sleep(CLOSE_WAIT_MS, undefined, { ref: false })])
  } finally {
    socket.destroy()
  }
}
