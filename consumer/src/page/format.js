// Figures as people read them. Counts are whole numbers and sums are text: none of them ever passes through a float.

// Narrow, and no place to break a line.
const THIN_SPACE = "\u202f";

export const grouped = count => String(count).replace(/\B(?=(\d{3})+(?!\d))/g, THIN_SPACE);

// As ISO 4217 has them, and a test holds this against the consumer's own list: what browsers say is another list (CLDR's), and
// wrong by a hundred for some. All others have two.
const DIGITS = new Map([
  [0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"],
  [3, "BHD IQD JOD KWD LYD OMR TND"],
  [4, "CLF UYW"],
].flatMap(([digits, codes]) => codes.split(" ").map(code => [code, digits])));
const minorDigits = currency => DIGITS.get(currency) ?? 2;

/** Minor units, as text or whole number, in the currency's major unit. */
export const money = (minor, currency) => {
  const digits = minorDigits(currency), text = String(minor).padStart(digits + 1, "0"), cut = text.length - digits;
  return grouped(text.slice(0, cut)) + (digits ? "." + text.slice(cut) : "");
};

/** Microseconds, to three digits. */
export const duration = us => {
  if (us < 1_000) return `${us} µs`;
  if (us < 999_500) return `${(us / 1_000).toPrecision(3)} ms`;
  return `${grouped(Math.round(us / 100_000) / 10)} s`;
};

/** A part of a whole: never "0 %" of what there is, nor "100 %" of what is not all. */
export const share = (part, whole) => {
  if (!(whole > 0)) return "–";
  const percent = part * 100 / whole;
  if (part > 0 && percent < 0.01) return "<0.01 %";
  if (part < whole && percent > 99.9) return ">99.9 %";
  return `${percent.toFixed(percent < 0.1 && part ? 2 : 1)} %`;
};

/** The time of day of an instant such as 2026-11-20T19:12:01.123Z, in UTC as everything here. */
export const timeOfDay = instant => instant.slice(11, 19);

/** The same with its day. */
export const dayAndTime = instant => `${instant.slice(0, 10)} ${timeOfDay(instant)}`;
