// SPDX-License-Identifier: MIT
// Numbers and times as people read them. Pure. 1 kB = 1000 B everywhere on the page.

const DASH = "–";

export function kb(bytes: number | null | undefined): string {
    if (bytes == null || !Number.isFinite(bytes)) return DASH;
    return `${group((bytes / 1000).toFixed(1))} kB`;
}

export function exactBytes(bytes: number | null | undefined): string {
    return bytes == null ? DASH : `${count(bytes)} B`;
}

/** Milliseconds with three significant digits or better: 0.0421, 4.21, 42.1, 421, 4,210. */
export function ms(value: number | null | undefined): string {
    if (value == null || !Number.isFinite(value)) return DASH;
    const size = Math.abs(value);
    const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size === 0 ? 0 : 2 - Math.floor(Math.log10(size));
    return `${group(value.toFixed(Math.min(digits, 6)))} ms`;
}

/** An overhead F: 1.00, 1.25. */
export function overhead(f: number | null | undefined): string {
    return f == null ? DASH : f.toFixed(2);
}

/** An exact integer, grouped by thousands. 64-bit counts arrive as decimal strings and stay exact. */
export function count(value: number | string | null | undefined): string {
    if (value == null || value === "") return DASH;
    return group(String(value));
}

/** A large count, short: 950, 11.6 k, 11.6 M, 4.4 G. */
export function short(value: number | string | null | undefined): string {
    if (value == null || value === "") return DASH;
    const number = Number(value);
    for (const [unit, size] of [
        ["G", 1e9],
        ["M", 1e6],
        ["k", 1e3],
    ] as const) {
        if (Math.abs(number) >= size) return `${(number / size).toFixed(1)} ${unit}`;
    }
    return String(number);
}

/** The difference of a measurement from its prediction: "+3.1 %", "−0.4 %", "exact". */
export function difference(measured: number | null | undefined, predicted: number | null | undefined): string {
    if (measured == null || predicted == null || predicted === 0) return DASH;
    if (measured === predicted) return "exact";
    const percent = (measured / predicted - 1) * 100;
    return `${percent < 0 ? "−" : "+"}${Math.abs(percent).toFixed(1)} %`;
}

/** What fusing saves of the plain run's RAM: "87 % less than unfused". */
export function saving(bytes: number, plainBytes: number): string {
    const percent = Math.round((1 - bytes / plainBytes) * 100);
    if (!(plainBytes > 0) || percent === 0) return "as much as unfused";
    return percent > 0 ? `${percent} % less than unfused` : `${-percent} % more than unfused`;
}

/** How long ago an RFC 3339 time was: "just now", "5 min ago", "3 h ago", or the date. */
export function ago(time: string | null | undefined, now: number): string {
    const then = time ? Date.parse(time) : NaN;
    if (!Number.isFinite(then)) return DASH;
    const seconds = (now - then) / 1000;
    if (seconds < 45) return "just now";
    if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min ago`;
    if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h ago`;
    return (time ?? "").slice(0, 10);
}

export function plural(n: number, one: string, many = `${one}s`): string {
    return `${count(n)} ${n === 1 ? one : many}`;
}

/** A number to put into a form or a URL without an exponent or float noise. */
export function roundTo(value: number, digits: number): number {
    return Number(value.toFixed(digits));
}

function group(text: string): string {
    const [, sign, whole, rest] = /^([-−]?)(\d+)(.*)$/.exec(text) ?? [text, "", "", text];
    return `${sign}${whole!.replace(/\B(?=(\d{3})+(?!\d))/g, ",")}${rest}`;
}
