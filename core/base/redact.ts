/**
 * Text without what looks like a password: of URLs, and of keyword/value connection strings. The last line of defence
 * behind errors and logs, which are written without passwords in the first place (I11).
 */
export function redact(text: string): string {
  return text
    .replace(/(\b[a-z][a-z0-9+.-]*:\/\/[^\s:@/?#]*):[^\s@/]*(?:@(?=[^\s@]*@)[^\s@/]*)*@/gi, '$1:***@')
    .replace(/([?&](?:password|sslpassword)=)[^&\s"']*/gi, '$1***')
    .replace(/\b((?:password|sslpassword|passwd)\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&"',;]+)/gi, '$1***');
}
