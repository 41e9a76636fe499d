/**
 * All that is used of TypeBox. The build puts it into this one module, as finding and opening the seven hundred of the
 * package was a third of the start of a server.
 */
export { Type } from 'typebox'
export { Compile } from 'typebox/compile'
export { Check } from 'typebox/value'
