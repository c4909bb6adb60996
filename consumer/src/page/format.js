// Figures as people read them. Counts are whole numbers and sums are text: none of them ever passes through a float.

const THIN_SPACE = "\u2009";

export const grouped = count => String(count).replace(/\B(?=(\d{3})+(?!\d))/g, THIN_SPACE);

const digitsOf = new Map();
const minorDigits = currency => {
  if (!digitsOf.has(currency)) {
    const options = new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions();
    digitsOf.set(currency, options.maximumFractionDigits);
  }
  return digitsOf.get(currency);
};

/** Minor units, as text or whole number, in the currency's major unit. */
export const money = (minor, currency) => {
  const digits = minorDigits(currency), text = String(minor).padStart(digits + 1, "0"), cut = text.length - digits;
  return grouped(text.slice(0, cut)) + (digits ? "." + text.slice(cut) : "");
};

/** Microseconds, to three digits. */
export const duration = us => {
  if (us < 1_000) return `${us} µs`;
  if (us < 1_000_000) return `${(us / 1_000).toPrecision(3)} ms`;
  return `${grouped(Math.round(us / 100_000) / 10)} s`;
};

export const share = (part, whole) => (whole > 0 ? `${(part * 100 / whole).toFixed(part * 1000 < whole && part ? 2 : 1)} %` : "–");

/** The time of day of an instant such as 2026-11-20T19:12:01.123Z, in UTC as everything here. */
export const timeOfDay = instant => instant.slice(11, 19);
