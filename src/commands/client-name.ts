/** What connections may be called: CLIENT SETNAME, SETINFO and HELLO SETNAME. */

export const NAME_REFUSED = 'ERR Client names cannot contain spaces, newlines or special characters.';

/** Only the characters from `!` to `~`: CLIENT LIST stays readable. Empty is allowed. */
export function isPrintableWord(text: string): boolean {
  return /^[!-~]*$/.test(text);
}
