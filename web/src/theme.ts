// SPDX-License-Identifier: MIT
// The colour scheme of the moment, for what is drawn on a canvas and does not follow CSS by itself.

export const DARK = "(prefers-color-scheme: dark)";

export function dark(): boolean {
    return matchMedia(DARK).matches;
}

/** The value of a CSS colour variable now, in the current scheme. */
export function colour(name: string): string {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
