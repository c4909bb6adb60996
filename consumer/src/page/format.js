// Figures as people read them. Counts are whole numbers and sums are text: none of them ever passes through a float.

// Narrow, and no place to break a line.
const THIN_SPACE = "\u202f";
const TEXT_MAX = 200;

/** Digits in groups of three. A count that JSON's numbers can't tell from its neighbours is not shown as one. */
export const grouped = count => {
  if (count > Number.MAX_SAFE_INTEGER && typeof count === "number") return `>${grouped(Number.MAX_SAFE_INTEGER)}`;
  return String(count).replace(/\B(?=(\d{3})+(?!\d))/g, THIN_SPACE);
};

// What draws nothing, or makes others be drawn elsewhere: controls, marks of direction, halves of a pair, ends of lines.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Somebody else's text as one line of letters that can be seen, cut where it is too long. */
export const printable = (text, most = TEXT_MAX) => {
  const cut = text.length > most ? `${text.slice(0, most).replace(/[\ud800-\udbff]$/, "")}…` : text;
  return cut.replace(UNSEEN, letter => `\\u{${letter.codePointAt(0).toString(16)}}`);
};

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
  const digits = minorDigits(currency), shown = String(minor), sign = shown.startsWith("-") ? "−" : "";
  const text = shown.slice(sign.length).padStart(digits + 1, "0"), cut = text.length - digits;
  return sign + grouped(text.slice(0, cut)) + (digits ? "." + text.slice(cut) : "");
};

/** What a sum lacks behind its last digit so that its decimal point stands under those of all `currencies`. */
export const moneyPad = (currency, currencies) => {
  const digits = minorDigits(currency), most = Math.max(...currencies.map(minorDigits));
  return (digits === 0 && most > 0 ? "." : "") + "0".repeat(most - digits);
};

/** Microseconds, to three digits. */
export const duration = us => {
  if (us < 1_000) return `${us} µs`;
  if (us < 999_500) return `${(us / 1_000).toPrecision(3)} ms`;
  return seconds(us / 1_000);
};

/** Milliseconds as seconds, to a tenth. */
export const seconds = ms => {
  const [whole, tenth] = (Math.round(ms / 100) / 10).toFixed(1).split(".");
  return `${grouped(whole)}.${tenth} s`;
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

const day = instant => instant.slice(0, 10);

/** The same with its day. */
export const dayAndTime = instant => `${day(instant)} ${timeOfDay(instant)}`;

/** The same with its day where that is not the day of `now`. */
export const timeAsOf = (instant, now) => (day(instant) === day(now) ? timeOfDay(instant) : dayAndTime(instant));

/** From one instant to another: without seconds where both are whole minutes. */
export const span = (start, end, now) => {
  const whole = [start, end].every(instant => instant.slice(17, 19) === "00");
  const cut = text => (whole ? text.slice(0, -3) : text);
  return `${cut(timeAsOf(start, now))}–${cut(timeOfDay(end))}`;
};
