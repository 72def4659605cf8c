// SPDX-License-Identifier: MIT
// Which page is shown: the part of the address after '#' decides, so any static file server can serve the page.
import "./style.css";
import { setToken, TOKEN_WANTED } from "./api.ts";
import { h, fill } from "./dom.ts";
import { campaignPage } from "./pages/campaign.ts";
import { homePage } from "./pages/home.ts";
import { modelPage } from "./pages/model.ts";
import { comparePage } from "./pages/compare.ts";
import { nightlyPage, runPage } from "./pages/nightly.ts";
import { seriesPage } from "./pages/series.ts";
import { problem } from "./parts.ts";

const root = document.getElementById("main")!;
let leaving: AbortController | null = null;

const SECTION: Record<string, string> = { models: "", runs: "nightly", series: "nightly" }; // of the navigation

async function show(): Promise<void> {
    leaving?.abort(); // ends the last page's requests, timers and event stream
    leaving = new AbortController();
    const { signal } = leaving;
    const [, resource = "", id = "", part = "", other = ""] = location.hash.replace(/^#/, "").split("/");
    for (const link of document.querySelectorAll("nav a")) {
        const mine = link.getAttribute("href") === `#/${SECTION[resource] ?? resource}`;
        if (mine) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
    }
    try {
        if (resource === "models" && /^[0-9a-f]{64}$/.test(id)) await modelPage(root, signal, id);
        else if (resource === "campaigns" && /^\d+$/.test(id)) await campaignPage(root, signal, Number(id));
        else if (resource === "nightly" && /^[\w.-]*$/.test(id)) await nightlyPage(root, signal, id);
        else if (resource === "runs" && /^\d+$/.test(id) && part === "compare" && /^\d+$/.test(other))
            await comparePage(root, signal, Number(id), Number(other));
        else if (resource === "runs" && /^\d+$/.test(id)) await runPage(root, signal, Number(id));
        else if (resource === "series" && /^\d+$/.test(id)) await seriesPage(root, signal, Number(id));
        else if (resource === "campaigns" || resource === "boards") homePage(root, signal, resource);
        else if (resource === "" || resource === "models") homePage(root, signal, "models");
        else fill(root, h("h1", null, "No such page"), h("p", null, h("a", { href: "#/" }, "To the models")));
    } catch (error) {
        if (!signal.aborted)
            fill(
                root,
                problem(error, "The page could not be loaded"),
                h("p", null, h("a", { href: "#/" }, "To the models")),
            );
    }
}

window.addEventListener(TOKEN_WANTED, () => {
    if (document.getElementById("token-form")) return;
    const input = h("input", { type: "password", required: true, autocomplete: "off", id: "token" });
    const form = h(
        "form",
        {
            id: "token-form",
            class: "card token-form",
            onsubmit: (event: Event) => {
                event.preventDefault();
                setToken(input.value.trim());
                form.remove();
                void show();
            },
        },
        h("label", { for: "token" }, "This farm asks for an access token"),
        input,
        h("button", { type: "submit", class: "primary" }, "Use it"),
    );
    root.before(form);
    input.focus();
});
document.querySelector(".skip")!.addEventListener("click", (event) => {
    event.preventDefault(); // the address after '#' is the route
    root.focus();
});
window.addEventListener("hashchange", () => {
    void show();
    window.scrollTo(0, 0);
});
void show();
