/** Text as `cairn key encrypt` would encrypt it, with a passphrase that is worked on for a moment only. */
import { armor, Encrypter } from 'age-encryption'

export async function cheaplyEncrypted(text: string, passphrase: string): Promise<string> {
  const encrypter = new Encrypter()
  encrypter.setPassphrase(passphrase)
  encrypter.setScryptWorkFactor(10)
  return armor.encode(await encrypter.encrypt(text))
}
