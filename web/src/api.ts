// SPDX-License-Identifier: MIT
// The REST API as the page uses it: the types of its answers, and one function to ask. An error is a Problem, which
// carries what the server said (problem+json) or what went wrong on the way.

import { EventParser } from "./sse.ts";

const BASE = "/api/v1";
const TOKEN_KEY = "farm-token";
/** Fired on window when the server wants an access token that the page does not have. */
export const TOKEN_WANTED = "farm-token-wanted";

export function setToken(token: string): void {
    sessionStorage.setItem(TOKEN_KEY, token); // gone with the tab; never in a cookie, so no other site can make use of it
}

function authorized(headers: HeadersInit = {}): Headers {
    const all = new Headers(headers);
    const token = sessionStorage.getItem(TOKEN_KEY);
    if (token) all.set("Authorization", `Bearer ${token}`);
    return all;
}

export interface TensorInfo {
    h: number;
    w: number;
    c: number;
    bytes: number;
    scale: number;
    zero: number;
}

export interface Model {
    id: string;
    name: string;
    bytes: number;
    created: string;
    layers: number;
    macs: string;
    weight_bytes: number;
    plain_arena_bytes: number;
    input: TensorInfo;
    output: TensorInfo;
}

export interface Layer {
    i: number;
    op: string;
    name: string;
    in: number[];
    out: number[];
    kernel: number[];
    stride: number[];
    macs: string | number;
    inputs: number[];
}

export interface FrontPoint {
    spec: string;
    arena_bytes: number;
    macs: string;
    overhead: number;
    input_streamed: boolean;
    input_bytes: number;
    blocks: number;
    predicted_ms: number | null;
    fits?: boolean;
    on_front?: boolean; // absent: true
    strategies?: string[]; // that chose it
    measured?: Measured[];
}

export interface Front {
    model: string;
    board: string | null;
    points: FrontPoint[];
}

export interface Measured {
    board: string;
    result: number;
    arena_bytes: number;
    stack_bytes: number;
    static_bytes: number;
    ms: number;
    cycles: string;
    instructions: string | null;
    emulated: boolean;
    timing: string | null;
    output: string;
}

export interface BlockInfo {
    first: number;
    last: number;
    schedule: string;
    arena_bytes: number;
    macs: string | number;
    live_bytes: number;
    io_bytes: number;
    rings: { layer: number; slices: number; bytes: number }[];
    accumulator_bytes: number;
}

export interface Config extends FrontPoint {
    block_list: BlockInfo[];
}

/** What is in RAM when: at every moment fixed_bytes + output_bytes + input_bytes + inner_bytes = bytes. */
export interface Timeline {
    arena_bytes: number;
    peak: { bytes: number; block: number; layer: number };
    blocks: TimelineBlock[];
}

export interface TimelineBlock {
    first: number;
    last: number;
    schedule: string;
    arena_bytes: number;
    steps: number;
    fixed_bytes: number;
    peak: number; // index of the largest moment
    parts: { kind: string; layer?: number; slices?: number; bytes: number }[];
    layer_macs: { layer: number; macs: string }[];
    moments: {
        step: number;
        layer: number;
        output_bytes: number;
        input_bytes: number;
        inner_bytes: number; // windows and scratch of a block of cells
        bytes: number;
    }[];
}

export interface ProfileEntry {
    layer?: number;
    calls: number;
    cycles: string;
    instructions: string | null;
}

/** Where the time of a result goes. */
export interface Profile {
    layers: ProfileEntry[];
    interpreter: ProfileEntry;
    blocks: { cycles: string; instructions: string | null }[];
}

export interface JobCounts {
    queued: number;
    leased: number;
    done: number;
    failed: number; // with those that were cancelled
    cancelled?: number;
}

export interface Campaign {
    id: number;
    name: string;
    model: string;
    model_name: string;
    boards: string[];
    state: string;
    jobs: JobCounts;
    created: string;
    finished: string | null;
    repeats: number;
    input: { kind: string; seed: number };
    strategies?: string[]; // empty: its configurations were named
    omitted?: { board: string; strategy: string; arena_bytes: number }[]; // strategies that have nothing for a board
}

export interface Job {
    id: number;
    campaign: number;
    model: string;
    board: string;
    spec: string;
    strategies?: string[];
    state: "queued" | "leased" | "done" | "failed";
    phase: string | null;
    progress: number;
    attempts: number;
    rig: string | null;
    error: { type: string; detail: string } | null;
    result: Result | null;
    predicted?: { arena_bytes: number; macs: string; overhead: number; ms: number | null };
}

export interface Result {
    id: number;
    job: number;
    attempt: number;
    board: string;
    rig: string;
    spec: string;
    strategies?: string[];
    arena_bytes: number;
    predicted_arena_bytes: number;
    stack_bytes: number;
    static_bytes: number;
    code_bytes: number | null;
    cycles: { min: string; median: string; max: string };
    runs: unknown[];
    ms: number;
    clock_hz: number;
    instructions: string | null;
    emulated: boolean;
    timing: string | null;
    timing_version: string | number | null;
    kernels: string;
    firmware: string;
    output_crc32: string;
    output: string;
    block_cycles: (string | number)[];
    profile?: Profile | null;
    created: string;
}

export interface Board {
    id: string;
    name?: string;
    core?: string;
    clock_hz?: number;
    ram_bytes?: number;
    flash_bytes?: number;
    latency?: { median_error: number; worst_error: number; tested: number } | null; // null: it predicts no latency
}

export interface Rig {
    name: string;
    agent: string;
    board: string;
    state: "idle" | "busy" | "offline" | "quarantined";
    job: number | null;
    last_seen: string;
    failures: number;
    last_error?: string | null;
    quarantine_until?: string | null;
    emulated?: boolean | null;
}

/** What would fit in place of a configuration that does not. */
export interface Nearest {
    spec: string;
    arena_bytes: number;
    overhead: number;
}

export class Problem extends Error {
    constructor(
        readonly type: string,
        readonly title: string,
        readonly detail: string,
        readonly status: number,
        readonly field: string | null = null,
        readonly nearest: Nearest | null = null,
    ) {
        super(detail || title);
    }
}

/** Any thrown thing as a Problem, so that it can be shown. */
export function asProblem(error: unknown): Problem {
    if (error instanceof Problem) return error;
    return new Problem(
        "page-error",
        "The page met an error",
        error instanceof Error ? error.message : String(error),
        0,
    );
}

async function ask(path: string, init: RequestInit = {}): Promise<Response> {
    let response: Response;
    try {
        response = await fetch(BASE + path, { ...init, headers: authorized(init.headers) });
    } catch (error) {
        if (init.signal?.aborted) throw error;
        throw new Problem(
            "unreachable",
            "The server did not answer",
            "Is farm-server running? Check, then try again.",
            0,
        );
    }
    if (response.ok) return response;
    if (response.status === 401) window.dispatchEvent(new Event(TOKEN_WANTED));
    let body: Partial<Problem> = {};
    try {
        body = JSON.parse(await response.text()) as Partial<Problem>;
    } catch {
        // Not problem+json (a proxy in between, say): the status line is all there is.
    }
    throw new Problem(
        body.type ?? `http-${response.status}`,
        body.title ?? `The server answered ${response.status}`,
        body.detail ?? response.statusText,
        response.status,
        body.field ?? null,
        body.nearest ?? null,
    );
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
    return (await (await ask(path, { signal: signal ?? null })).json()) as T;
}

const PAGE = 500; // items asked for at once

/** The items of a list resource: all of them, page after page, up to `max`. */
export async function list<T>(path: string, signal: AbortSignal, max = 20000): Promise<T[]> {
    const items: T[] = [];
    let cursor: string | number | null = null;
    do {
        const url: string = `${path}${path.includes("?") ? "&" : "?"}limit=${PAGE}`;
        const page: { items: T[]; next?: string | number | null } = await get(
            cursor === null ? url : `${url}&cursor=${encodeURIComponent(String(cursor))}`,
            signal,
        );
        items.push(...page.items);
        cursor = page.next ?? null;
    } while (cursor !== null && items.length < max);
    return items;
}

export async function post<T>(path: string, body: unknown): Promise<T> {
    const response = await ask(path, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
    });
    return (await response.json()) as T;
}

export async function remove(path: string): Promise<void> {
    await ask(path, { method: "DELETE" });
}

/** Uploads a model; the server answers with the model whether it is new or known. */
export async function uploadModel(name: string, bytes: Blob): Promise<Model> {
    const response = await ask(`/models?name=${encodeURIComponent(name)}`, {
        method: "POST",
        headers: { "Content-Type": "application/octet-stream" },
        body: bytes,
    });
    return (await response.json()) as Model;
}

export interface CampaignRequest {
    model: string;
    boards: string[];
    points?: number;
    strategies?: string[];
    specs?: string[];
    repeats: number;
    name?: string;
}

export async function createCampaign(request: CampaignRequest, key: string): Promise<Campaign> {
    const response = await ask("/campaigns", {
        method: "POST",
        headers: { "Content-Type": "application/json", "Idempotency-Key": key },
        body: JSON.stringify(request),
    });
    return (await response.json()) as Campaign;
}

export async function cancelCampaign(id: number): Promise<void> {
    await ask(`/campaigns/${id}`, { method: "DELETE" });
}

export function logPath(job: number): string {
    return `/jobs/${job}/log`;
}

export function modelFilePath(id: string): string {
    return `/models/${id}/file`;
}

export function address(path: string): string {
    return BASE + path;
}

/** True when a plain link would be refused, because only fetch() can send the token. */
export function linksNeedToken(): boolean {
    return sessionStorage.getItem(TOKEN_KEY) !== null;
}

export async function getBlob(path: string): Promise<Blob> {
    return (await ask(path)).blob();
}

/** A key that makes a repeated POST harmless. (randomUUID is missing on plain http beyond localhost.) */
export function newKey(): string {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}

const RETRY_MS = [500, 1000, 2000, 5000, 10000];

/** All events of a campaign from its start, live, until the signal ends it. A lost connection is taken up again where it broke off. */
export async function watchCampaign(
    id: number,
    signal: AbortSignal,
    on: { job(job: Job): void; campaign(campaign: Campaign): void; connected(yes: boolean): void },
): Promise<void> {
    let last = "";
    for (let failures = 0; !signal.aborted; failures++) {
        try {
            const headers: Record<string, string> = { Accept: "text/event-stream" };
            if (last) headers["Last-Event-ID"] = last;
            const response = await ask(`/campaigns/${id}/events?since=0`, { headers, signal, cache: "no-store" });
            on.connected(true);
            const parser = new EventParser();
            const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
            for (;;) {
                const { done, value } = await reader.read();
                if (done) break;
                for (const event of parser.feed(value)) {
                    failures = 0;
                    if (event.id) last = event.id;
                    if (event.event === "job") on.job(JSON.parse(event.data) as Job);
                    else if (event.event === "campaign") on.campaign(JSON.parse(event.data) as Campaign);
                }
            }
        } catch (error) {
            if (signal.aborted) return;
            if (error instanceof Problem && error.status >= 400 && error.status < 500) throw error; // asking again will not help
        }
        if (signal.aborted) return;
        on.connected(false);
        await new Promise((wake) => setTimeout(wake, RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]));
    }
}
