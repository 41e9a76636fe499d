/** The text of the verifier page, made from its sources. */
export function verifierPage(): Promise<string>
