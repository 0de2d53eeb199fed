/**
 * The words of the screens: one for each thing, as people at a reception say it. A test holds
 * the sentences of every language to it (`web/test/strings.test.ts`).
 */

export interface Term {
  means: string;
  en: string;
  de: string;
  /** Words that are not used for it, in either language. */
  not: readonly string[];
}

export const GLOSSARY: readonly Term[] = [
  { means: "the dental practice", en: "practice", de: "Praxis", not: ["clinic", "Klinik"] },
  {
    means: "a time with a dentist",
    en: "appointment; visit on the practice's screens",
    de: "Termin",
    not: ["booking slot", "Besuch", "Buchungstermin"],
  },
  { means: "a time that can be booked", en: "free time", de: "freie Zeit", not: ["slot", "Slot"] },
  {
    means: "a free time that is kept for minutes",
    en: "kept for you; on hold on the practice's screens",
    de: "reserviert",
    not: ["reservation", "Vormerkung"],
  },
  {
    means: "to give an appointment another time",
    en: "move",
    de: "verlegen",
    not: ["reschedule", "verschieben", "umbuchen"],
  },
  {
    means: "to call an appointment off",
    en: "cancel",
    de: "absagen",
    not: ["revoke", "storniert", "stornieren", "Stornierung"],
  },
  {
    means: "someone whom the practice does not know yet",
    en: "New patient",
    de: "Neue Patientin / neuer Patient",
    not: ["Neupatient", "Neuer Patient"],
  },
  { means: "no certain dentist", en: "Any dentist", de: "Egal, bei wem", not: ["Anybody"] },
  { means: "08:00 to 12:00", en: "Morning", de: "Vormittags", not: ["Morgens"] },
  { means: "12:00 to 17:00", en: "Afternoon", de: "Nachmittags", not: ["Mittags"] },
  { means: "who answers the telephone", en: "front desk", de: "Empfang", not: ["Rezeption"] },
  { means: "being in the treatment room", en: "checked in", de: "im Zimmer", not: ["eingecheckt"] },
];

/** Words of engineers, which patients are never shown. */
export const TECHNICAL: readonly string[] = [
  ...["API", "cache", "client", "database", "hub", "HTTP", "ID", "JSON", "null", "request"],
  ...[
    "server",
    "Server",
    "Hub",
    "Token",
    "session",
    "socket",
    "sync",
    "timeout",
    "token",
    "URL",
    "UUID",
  ],
  ...["Anfrage", "Anfragen", "Datenbank", "Sitzung", "Zeitüberschreitung"],
];
