/** The messages that events of generative AI carry in their bodies. */
import { ROLE_OF_EVENT } from './genai-attributes.ts'
import { fits, isEmpty, type Members, nodeAt, put } from './genai-members.ts'
import { isJsonObject, type JsonObject, type JsonValue } from './json-strict.ts'

/** Moves what an event says in its body to its members; gives back what is left of it. */
export function takeBody(submission: Members, event: string, body: JsonValue): JsonValue {
  if (isEmpty(body)) return null
  if (event === 'gen_ai.tool.message') return takeToolMessage(submission, body)
  const role = Object.hasOwn(ROLE_OF_EVENT, event) ? ROLE_OF_EVENT[event] : undefined
  if (role === undefined) return body
  if (event === 'gen_ai.choice') return takeChoice(submission, role, body)
  return takeMessage(submission, '/input/messages', role, body) ? null : body
}

/** A body of text is the content. */
function contentOf(body: JsonValue): JsonObject | undefined {
  if (isJsonObject(body)) return body
  return typeof body === 'string' ? { content: body } : undefined
}

function takeToolMessage(submission: Members, body: JsonValue): JsonValue {
  const { id, content, ...left } = contentOf(body) ?? {}
  if (contentOf(body) === undefined) return body
  const rest: Members = { ...left }
  if (id !== undefined && !put(submission, '/tool_calls/0/id', id)) rest.id = id
  if (content !== undefined && !put(submission, '/tool_calls/0/result', content)) {
    rest.content = content
  }
  return rest
}

function takeChoice(submission: Members, role: string, body: JsonValue): JsonValue {
  const choice = typeof body === 'string' ? { message: body } : body
  if (!isJsonObject(choice)) return body
  const rest: Members = { ...choice }
  const { finish_reason, message, tool_calls } = choice
  if (finish_reason !== undefined && put(submission, '/output/finish_reason', finish_reason)) {
    delete rest.finish_reason
  }
  if (tool_calls !== undefined && takeToolCalls(submission, tool_calls)) delete rest.tool_calls
  if (message !== undefined && takeMessage(submission, '/output/messages', role, message)) {
    delete rest.message
  }
  return rest
}

function takeMessage(submission: Members, pointer: string, role: string, body: JsonValue): boolean {
  const content = contentOf(body)
  if (content === undefined) return false
  const message: Members = { role, ...content }
  if (!put(submission, pointer, [message])) return false
  const { tool_calls } = message
  // The message is in the submission already, and loses what goes to a place of its own.
  if (tool_calls !== undefined && takeToolCalls(submission, tool_calls)) delete message.tool_calls
  return true
}

/** Takes calls of the shape {id, type: function, function: {name, arguments}}, all or none. */
function takeToolCalls(submission: Members, calls: JsonValue): boolean {
  if (!Array.isArray(calls)) return false
  const taken = calls.map(toolCallOf)
  return (
    taken.length > 0 &&
    taken.every((call) => call !== undefined) &&
    put(submission, '/tool_calls', taken)
  )
}

function toolCallOf(call: JsonValue): JsonObject | undefined {
  if (!isJsonObject(call) || !isJsonObject(call.function)) return undefined
  const { id, type = 'function', function: called, ...others } = call
  const { name, arguments: given, ...more } = called as JsonObject
  if (type !== 'function' || Object.keys({ ...others, ...more }).length > 0) return undefined
  const members = { id, name, arguments: given }
  const there = Object.entries(members).filter(([, value]) => value !== undefined)
  const node = nodeAt('/tool_calls/0')
  const fit = there.every(([key, value]) => fits(value!, node.members.get(key)!))
  return fit ? (Object.fromEntries(there) as JsonObject) : undefined
}
