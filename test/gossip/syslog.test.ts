/** Heads as syslog messages, at real receivers on this machine: UDP, TCP and TLS. */
import { webcrypto } from 'node:crypto'
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { toBase64, utf8 } from '../../src/bytes.ts'
import { formatCheckpoint } from '../../src/formats/checkpoint.ts'
import { formatNote } from '../../src/formats/note.ts'
import { openCheckpoint } from '../../src/formats/open-checkpoint.ts'
import { ed25519SigningKey, mlDsaSigningKey } from '../../src/formats/signing-key.ts'
import type { PublishedHead } from '../../src/gossip/sink.ts'
import { syslog } from '../../src/gossip/syslog.ts'
import { parseSyslogAddress, type SyslogTransport } from '../../src/gossip/syslog-address.ts'
import { formatSyslogMessage, MAX_SYSLOG_SIZE } from '../../src/gossip/syslog-message.ts'
import { treeSize } from '../../src/merkle/position.ts'
import { LOG_KEY, LOG_ML_DSA_SEED, LOG_SEED, rootAt } from '../support/example-log.ts'
import { extension, type Identity, identity, issuing, pemOf } from '../support/time-stamps.ts'
import { headAt, noSignal, until } from './heads.ts'

const NOW = Date.UTC(2026, 0, 15, 12)
const OPTIONS = { facility: 13, hostname: 'log1', processId: 4711, time: NOW }

/** SPEC RFC 5424 section 6. */
const MESSAGE =
  /^<(\d{1,3})>1 (\S+) ([\x21-\x7e]{1,255}) ([\x21-\x7e]{1,48}) ([\x21-\x7e]{1,128}) ([\x21-\x7e]{1,32}) (-|\[.*\]) (\{.*\})$/

function read(message: Uint8Array | string) {
  const match = MESSAGE.exec(Buffer.from(message as Uint8Array).toString())
  if (match === null) throw new Error(`not a message: ${message}`)
  const [, priority, time, host, app, process, id, data, content = ''] = match
  return { priority, time, host, app, process, id, data, content: JSON.parse(content) }
}

/** A head of a log with a name of one's choice, with both signatures of its log. */
function headOf(origin: string): PublishedHead {
  const head = { origin, size: treeSize(7), root: rootAt(7) }
  const text = formatCheckpoint({ ...head, extensions: [] })
  const keys = [mlDsaSigningKey(origin, LOG_ML_DSA_SEED), ed25519SigningKey(origin, LOG_SEED)]
  const checkpoint = formatNote({ text, signatures: keys.map((key) => key.sign(text)) })
  return { ...head, checkpoint }
}

describe('the message of a head', () => {
  it('has the form of RFC 5424 and the facts of the head', () => {
    const head = headAt(7)
    expect(read(formatSyslogMessage(head, OPTIONS))).toEqual({
      priority: '109',
      time: '2026-01-15T12:00:00.000Z',
      host: 'log1',
      app: 'cairn',
      process: '4711',
      id: 'head',
      data: '-',
      content: {
        origin: head.origin,
        size: 7,
        root: toBase64(head.root),
        checkpoint: head.checkpoint,
      },
    })
  })

  it('carries a checkpoint that proves itself, with the short signature alone', () => {
    const head = headOf('log.example/audit')
    expect(head.checkpoint.length).toBeGreaterThan(3_000)
    const message = formatSyslogMessage(head, OPTIONS)
    expect(message.length).toBeLessThan(600)
    const { checkpoint } = read(message).content
    const opened = openCheckpoint(utf8(checkpoint), [LOG_KEY.vkey])
    expect(opened.checkpoint.size).toBe(7)
    expect(opened.note.signatures).toHaveLength(1)
  })

  it('has structured data under the number of the operator, and escapes it', () => {
    const head = { ...headAt(7), origin: 'log "one" [two] \\ three' }
    const { data } = read(formatSyslogMessage(head, { ...OPTIONS, enterpriseNumber: 55_555 }))
    expect(data).toBe(
      `[cairn@55555 origin="log \\"one\\" [two\\] \\\\ three" size="7" root="${toBase64(head.root)}"]`,
    )
  })

  it('is ASCII, whatever the log is called', () => {
    const head = headOf('прозрачность.example/журнал')
    const message = formatSyslogMessage(head, OPTIONS)
    expect(message.every((byte) => byte >= 0x20 && byte < 0x7f)).toBe(true)
    expect(read(message).content.origin).toBe(head.origin)
  })

  it.each(['a'.repeat(255), 'é'.repeat(127), '語'.repeat(85), '🌲'.repeat(63), '"'.repeat(255)])(
    'is never longer than receivers have to take, with a name such as %.8s…',
    (origin) => {
      const options = { ...OPTIONS, hostname: 'h'.repeat(300), enterpriseNumber: 4_294_967_295 }
      const message = formatSyslogMessage(headOf(origin.replaceAll(' ', '')), options)
      expect(message.length).toBeLessThanOrEqual(MAX_SYSLOG_SIZE)
      expect(read(message).content).toMatchObject({ origin, size: 7 })
    },
  )

  it('does without what a host name must not have', () => {
    expect(read(formatSyslogMessage(headAt(1), { ...OPTIONS, hostname: 'my host é' })).host).toBe(
      'myhost',
    )
    expect(read(formatSyslogMessage(headAt(1), { ...OPTIONS, hostname: ' ' })).host).toBe('-')
  })
})

describe('the address of a receiver', () => {
  it.each([
    ['udp://logs.example.org', 'udp', 'logs.example.org', 514],
    ['tcp://logs.example.org', 'tcp', 'logs.example.org', 601],
    ['tls://logs.example.org/', 'tls', 'logs.example.org', 6514],
    ['tls://10.0.0.1:16514', 'tls', '10.0.0.1', 16_514],
    ['udp://[2001:db8::1]:1514', 'udp', '2001:db8::1', 1_514],
  ])('%s is understood', (text, transport, host, port) => {
    expect(parseSyslogAddress(text)).toEqual({ transport, host, port })
  })

  it.each([
    'logs.example.org:514',
    'http://logs.example.org',
    'udp://',
    'udp://host:0',
    'udp://host:65536',
    'udp://host/path',
    'tls://user@host',
    'udp://host:514 ',
  ])('%s is refused', (text) => {
    expect(() => parseSyslogAddress(text)).toThrow(/is no address of a syslog receiver/)
  })
})

describe('a syslog receiver', () => {
  const open: (Server | UdpSocket)[] = []
  const sockets = new Set<Socket>()
  afterEach(() => {
    for (const one of open.splice(0)) one.close()
    for (const socket of sockets) socket.destroy()
  })

  async function listening(server: Server): Promise<number> {
    open.push(server)
    server.on('connection', (socket: Socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }

  function sinkAt(transport: SyslogTransport, port: number, more: object = {}) {
    const address = { transport, host: '127.0.0.1', port }
    return syslog({ name: 'syslog', address, facility: 13, now: () => NOW, ...more })
  }

  /** Collects what connections bring, each as a whole. */
  function collecting(): { received: string[]; onConnection: (socket: Socket) => void } {
    const received: string[] = []
    return {
      received,
      onConnection(socket) {
        let text = ''
        socket.on('data', (part) => (text += part.toString()))
        socket.on('end', () => {
          received.push(text)
          socket.end()
        })
        socket.on('error', () => {})
      },
    }
  }

  it('gets a datagram over UDP', async () => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1')
    open.push(socket)
    await once(socket, 'listening')
    const arrived = once(socket, 'message')
    await sinkAt('udp', socket.address().port).send(headAt(7), noSignal())
    const [message] = (await arrived) as [Buffer]
    expect(read(message).content).toMatchObject({ size: 7, origin: headAt(7).origin })
  })

  it('is missed over UDP where the network tells', async () => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1')
    await once(socket, 'listening')
    const { port } = socket.address()
    socket.close()
    const sent = sinkAt('udp', port).send(headAt(7), noSignal())
    await expect(sent).rejects.toThrow('cannot be sent to (ECONNREFUSED)')
  })

  it('gets a message with its length over TCP', async () => {
    const { received, onConnection } = collecting()
    const port = await listening(createServer({ allowHalfOpen: true }, onConnection))
    const receipt = await sinkAt('tcp', port).send(headAt(7), noSignal())
    expect(receipt?.detail).toBe('sent by syslog over TCP, which acknowledges nothing')
    const [, length, message] = /^(\d+) (.*)$/.exec(received[0]!)!
    expect(Number(length)).toBe(Buffer.from(message!).length)
    expect(read(message!).content.checkpoint).toBe(headAt(7).checkpoint)
  })

  it('that never closes its connection has got the message all the same', async () => {
    const parts: Buffer[] = []
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('data', (part) => parts.push(part))
    })
    const port = await listening(server)
    await sinkAt('tcp', port).send(headAt(7), noSignal())
    expect(Buffer.concat(parts).toString()).toMatch(/^\d+ <109>1 /)
  })

  it('that resets the connection has not', async () => {
    const server = createServer((socket) => socket.on('data', () => socket.resetAndDestroy()))
    const port = await listening(server)
    const sent = sinkAt('tcp', port).send(headAt(7), noSignal())
    await expect(sent).rejects.toThrow('cannot be sent to (ECONNRESET)')
  })

  it('that is not there is missed', async () => {
    const server = createServer()
    const port = await listening(server)
    server.close()
    await once(server, 'close')
    const sent = sinkAt('tcp', port).send(headAt(7), noSignal())
    await expect(sent).rejects.toThrow('cannot be sent to (ECONNREFUSED)')
  })

  describe('over TLS', () => {
    const IP_127_0_0_1 = Uint8Array.of(0x30, 0x06, 0x87, 0x04, 127, 0, 0, 1).buffer

    async function certified(): Promise<{ root: Identity; server: Identity; client: Identity }> {
      const times = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 }
      const root = await identity({ name: 'Root', extensions: issuing(), ...times })
      const names = [extension('2.5.29.17', false, IP_127_0_0_1)]
      const server = await identity({ name: 'logs', issuer: root, extensions: names, ...times })
      const client = await identity({ name: 'cairn', issuer: root, ...times })
      return { root, server, client }
    }

    async function keyOf({ key }: Identity): Promise<string> {
      const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key))
      return `-----BEGIN PRIVATE KEY-----\n${der.toString('base64')}\n-----END PRIVATE KEY-----\n`
    }

    it('gets a message, and is known by its certificate', async () => {
      const { root, server } = await certified()
      const { received, onConnection } = collecting()
      const port = await listening(
        createTlsServer({ cert: pemOf(server.parsed.der), key: await keyOf(server) }, onConnection),
      )
      const ca = utf8(pemOf(root.parsed.der))
      const receipt = await sinkAt('tls', port, { ca }).send(headAt(7), noSignal())
      expect(receipt?.detail).toMatch(/over TLS/)
      await until('the message is there', () => received.length === 1)
      expect(received[0]).toMatch(/^\d+ <109>1 .*"size":7/)
    })

    it('gets nothing when its certificate is not trusted', async () => {
      const { server } = await certified()
      const other = await certified()
      const { received, onConnection } = collecting()
      const port = await listening(
        createTlsServer({ cert: pemOf(server.parsed.der), key: await keyOf(server) }, onConnection),
      )
      for (const more of [{}, { ca: utf8(pemOf(other.root.parsed.der)) }]) {
        const sent = sinkAt('tls', port, more).send(headAt(7), noSignal())
        await expect(sent).rejects.toThrow(
          /^cannot be sent to \([A-Z_]*(SIGNATURE|ISSUER|VERIFY|CERT)[A-Z_]*\)$/,
        )
      }
      expect(received.join('')).toBe('')
    })

    it('knows the log by its certificate, where it asks for one', async () => {
      const { root, server, client } = await certified()
      const { received, onConnection } = collecting()
      const port = await listening(
        createTlsServer(
          {
            cert: pemOf(server.parsed.der),
            key: await keyOf(server),
            ca: pemOf(root.parsed.der),
            requestCert: true,
            rejectUnauthorized: true,
          },
          onConnection,
        ),
      )
      const ca = utf8(pemOf(root.parsed.der))
      const own = { certificate: utf8(pemOf(client.parsed.der)), key: utf8(await keyOf(client)) }
      await sinkAt('tls', port, { ca, client: own }).send(headAt(7), noSignal())
      await until('the message is there', () => received.length === 1)
      await expect(sinkAt('tls', port, { ca }).send(headAt(7), noSignal())).rejects.toThrow(
        /^cannot be sent to/,
      )
    })

    it('is left alone when it hangs before it has shown a certificate', async () => {
      const port = await listening(createServer(() => {}))
      const sent = sinkAt('tls', port).send(headAt(7), AbortSignal.timeout(50))
      await expect(sent).rejects.toThrow(/timeout/)
    })
  })
})
