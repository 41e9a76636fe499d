/** Addresses of syslog receivers. */
import { CairnError } from '../errors.ts'

export type SyslogTransport = 'udp' | 'tcp' | 'tls'

export interface SyslogAddress {
  readonly transport: SyslogTransport
  readonly host: string
  readonly port: number
}

const DEFAULT_PORTS: Readonly<Record<SyslogTransport, number>> = { udp: 514, tcp: 601, tls: 6514 }

const ADDRESS = /^(udp|tcp|tls):\/\/(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?\/?$/

/** Reads `udp://host`, `tcp://host:port`, `tls://host:port`. @throws USAGE */
export function parseSyslogAddress(text: string): SyslogAddress {
  const [, scheme, host = '', port] = ADDRESS.exec(text) ?? []
  const transport = scheme as SyslogTransport | undefined
  const number = Number(port ?? DEFAULT_PORTS[transport ?? 'udp'])
  if (transport === undefined || number < 1 || number > 65_535) {
    const message = `'${text}' is no address of a syslog receiver, such as tls://logs.example.org:6514`
    throw new CairnError('USAGE', message)
  }
  return { transport, host: host.replace(/^\[|\]$/g, ''), port: number }
}
