/**
 * Which attribute of OpenTelemetry becomes which member of a record: the semantic conventions for generative AI and
 * MCP as of November 2026, with the names that they have replaced.
 */

/**
 * From an attribute to the JSON Pointer of a member. Of attributes for one member the first that is there and fits is
 * taken; the others stay in `/extra`, as all that is not named here.
 */
export type AttributeRule = readonly [attribute: string, pointer: string]

// biome-ignore format: a table
export const ATTRIBUTE_RULES: readonly AttributeRule[] = [
  ['cairn.request_id', '/request_id'],
  ['cairn.session_id', '/session_id'],
  ['gen_ai.conversation.id', '/session_id'],
  ['session.id', '/session_id'],
  ['mcp.session.id', '/session_id'],
  ['cairn.parent_id', '/parent_id'],
  ['cairn.actor', '/actor'],
  ['cairn.subject', '/subject'],
  ['enduser.id', '/subject'],
  ['user.id', '/subject'],
  ['cairn.action', '/action'],
  ['gen_ai.operation.name', '/action'],
  ['mcp.method.name', '/action'],
  ['cairn.resource', '/resource'],
  ['mcp.resource.uri', '/resource'],
  ['gen_ai.data_source.id', '/resource'],
  ['gen_ai.retrieval.query.text', '/input/prompt'],
  ['gen_ai.memory.query.text', '/input/prompt'],
  ['gen_ai.prompt', '/input/prompt'],
  ['gen_ai.input.messages', '/input/messages'],
  ['gen_ai.system_instructions', '/input/system_prompt'],
  ['cairn.system_prompt_version', '/input/system_prompt_version'],
  ['gen_ai.retrieval.documents', '/input/documents'],
  ['gen_ai.provider.name', '/model/provider'],
  ['gen_ai.system', '/model/provider'],
  ['gen_ai.request.model', '/model/name'],
  ['gen_ai.response.model', '/model/version'],
  ['gen_ai.request.temperature', '/model/parameters/temperature'],
  ['gen_ai.request.top_p', '/model/parameters/top_p'],
  ['gen_ai.request.top_k', '/model/parameters/top_k'],
  ['gen_ai.request.frequency_penalty', '/model/parameters/frequency_penalty'],
  ['gen_ai.request.presence_penalty', '/model/parameters/presence_penalty'],
  ['gen_ai.request.max_tokens', '/model/parameters/max_tokens'],
  ['gen_ai.request.choice.count', '/model/parameters/n'],
  ['gen_ai.request.seed', '/model/parameters/seed'],
  ['gen_ai.openai.request.seed', '/model/parameters/seed'],
  ['gen_ai.evaluation.name', '/guardrails/0/name'],
  ['gen_ai.evaluation.score.label', '/guardrails/0/verdict'],
  ['gen_ai.evaluation.score.value', '/guardrails/0/score'],
  ['gen_ai.evaluation.explanation', '/guardrails/0/reason'],
  ['gen_ai.completion', '/output/text'],
  ['gen_ai.output.messages', '/output/messages'],
  ['gen_ai.response.finish_reasons', '/output/finish_reason'],
  ['gen_ai.tool.call.id', '/tool_calls/0/id'],
  ['gen_ai.tool.name', '/tool_calls/0/name'],
  ['gen_ai.tool.call.arguments', '/tool_calls/0/arguments'],
  ['gen_ai.tool.call.result', '/tool_calls/0/result'],
  ['gen_ai.usage.input_tokens', '/metrics/input_tokens'],
  ['gen_ai.usage.prompt_tokens', '/metrics/input_tokens'],
  ['gen_ai.usage.output_tokens', '/metrics/output_tokens'],
  ['gen_ai.usage.completion_tokens', '/metrics/output_tokens'],
  ['cairn.retention_class', '/retention_class'],
  ['cairn.policy', '/policy'],
]

/** Attributes of the log record or, where it has none, of the resource. */
export const RESOURCE_RULES: readonly AttributeRule[] = [
  ['service.version', '/app_version'],
  ['deployment.environment.name', '/environment'],
  ['deployment.environment', '/environment'],
]

/** Members that a record must not lack when their attribute is there: an erasure, say, goes by the subject. */
export const NEVER_LEFT_OUT: readonly string[] = ['/actor', '/subject', '/retention_class']

/** What a log record is about, by the name of its event. */
export const TYPE_OF_EVENT: Readonly<Record<string, string>> = {
  'gen_ai.system.message': 'inference_request',
  'gen_ai.user.message': 'inference_request',
  'gen_ai.assistant.message': 'inference_request',
  'gen_ai.tool.message': 'tool_call',
  'gen_ai.choice': 'inference_response',
  'gen_ai.content.prompt': 'inference_request',
  'gen_ai.content.completion': 'inference_response',
  'gen_ai.evaluation.result': 'guardrail',
}

/** By the operation (`gen_ai.operation.name`); the other operations are requests to a model. */
export const TYPE_OF_OPERATION: Readonly<Record<string, string>> = {
  execute_tool: 'tool_call',
  retrieval: 'data_access',
  search_memory: 'data_access',
  create_memory: 'data_access',
  update_memory: 'data_access',
  upsert_memory: 'data_access',
  delete_memory: 'deletion',
  delete_memory_store: 'deletion',
  create_memory_store: 'configuration_change',
  create_agent: 'configuration_change',
}

/** By the method (`mcp.method.name`), of which what is before the slash may do. */
export const TYPE_OF_METHOD: Readonly<Record<string, string>> = {
  'sampling/createMessage': 'llm_request',
  'logging/setLevel': 'configuration_change',
  resources: 'data_access',
  prompts: 'data_access',
}

/** The role of who speaks, where a message does not say it. */
export const ROLE_OF_EVENT: Readonly<Record<string, string>> = {
  'gen_ai.system.message': 'system',
  'gen_ai.user.message': 'user',
  'gen_ai.assistant.message': 'assistant',
  'gen_ai.choice': 'assistant',
}
