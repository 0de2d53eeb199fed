/** Addresses that open other programs. */

/** RFC 6068: whatever the address contains, it adds neither recipients nor fields. */
export function mailTo(email: string): string {
  const at = email.lastIndexOf("@");
  const [local, domain] = [email.slice(0, at), email.slice(at + 1)].map(encodeURIComponent);
  return `mailto:${local}@${domain}`;
}

/** RFC 3966: a number without punctuation, and without the (0) that is not dialled from abroad. */
export function dial(phone: string): string {
  const number = phone.trim().startsWith("+") ? phone.replace("(0)", "") : phone;
  return `tel:${number.replace(/[^+0-9]/g, "")}`;
}
