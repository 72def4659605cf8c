// SPDX-License-Identifier: MIT
// Elements in one line each. Text is always text (never parsed as HTML); styles go through the CSSOM, which the strict
// content policy allows and style attributes in markup would not be.

export type Child = Node | string | number | null | undefined | false | Child[];
type Props = Record<string, unknown> | null;

export function h<K extends keyof HTMLElementTagNameMap>(
    tag: K,
    props?: Props,
    ...children: Child[]
): HTMLElementTagNameMap[K] {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(props ?? {})) setProp(element, name, value);
    append(element, children);
    return element;
}

function setProp(element: HTMLElement, name: string, value: unknown): void {
    if (value === null || value === undefined || value === false) return;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value as EventListener);
    else if (name === "css") {
        for (const [key, text] of Object.entries(value as Record<string, string>)) element.style.setProperty(key, text);
    } else if (name === "value" || name === "checked" || name === "disabled" || name === "selected") {
        (element as unknown as Record<string, unknown>)[name] = value;
    } else element.setAttribute(name, value === true ? "" : String(value));
}

function append(element: Element, children: Child[]): void {
    for (const child of children) {
        if (Array.isArray(child)) append(element, child);
        else if (child !== null && child !== undefined && child !== false)
            element.append(child instanceof Node ? child : String(child));
    }
}

/** Replaces what an element holds. */
export function fill(element: Element, ...children: Child[]): void {
    const fragment = document.createElement("div");
    append(fragment, children);
    element.replaceChildren(...fragment.childNodes);
}

/** Hands a file to the user. */
export function download(name: string, content: string | Blob, type = "text/plain"): void {
    const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
    const link = h("a", { href: url, download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Calls `work` at most once a frame however often it is asked for. */
export function onceAFrame(work: () => void): () => void {
    let waiting = false;
    return () => {
        if (waiting) return;
        waiting = true;
        requestAnimationFrame(() => {
            waiting = false;
            work();
        });
    };
}
