// SPDX-License-Identifier: MIT
// The picture of the page in docs/: node tests/browser/screenshot.mjs URL MODEL-NAME FILE.png [light|dark] [WIDTH]
// The farm at URL must have measured the model; nothing is staged.
import { openBrowser } from "./browser.mjs";

const [url, name, file, scheme = "light", width = "1440"] = process.argv.slice(2);
const models = await (await fetch(`${url}/api/v1/models?limit=1000`)).json();
const model = models.items.find((m) => m.name === name);
if (!model) throw new Error(`${url} has no model named ${name}`);
const browser = await openBrowser();
const { page } = browser;
await page.setViewportSize({ width: Number(width), height: 1660 });
await page.emulateMedia({ colorScheme: scheme });
await page.goto(`${url}/#/models/${model.id}`);
await page.locator(".measure").first().waitFor();
await page.locator("#p2-answer button").click();
await page.locator(".block-list > li").first().waitFor();
await page.evaluate(() => {
    document.activeElement.blur();
    scrollTo(0, 0);
});
await page.waitForTimeout(500);
await page.screenshot({ path: file });
await browser.close();
