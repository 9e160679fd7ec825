// Runs the real program's quickstart and watches it through the page.
//
//   LFS_WRAPPER_BIN=target/debug/lfs-wrapper node tests/quickstart.e2e.mjs
//
// LFS_WRAPPER_BIN  the built binary (required)
// CHROMIUM         the browser; /usr/bin/chromium when not set
// SCREENSHOTS      a folder for screenshots; none are taken when not set
//
// The last line is "N passed, N failed"; the exit code is 0 when none failed.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const ADDRESS_WAIT_MSEC = 30_000;
const BUILD_WAIT_MSEC = 180_000;
const PAGE_WAIT_MSEC = 15_000;
const EXIT_WAIT_MSEC = 20_000;
const OUTPUT_LINES_MAX = 200;
const POINTS_MIN = 4;

const WIDTHS = [1280, 400];
const SCHEMES = ["light", "dark"];
const CHARTS = ["cpu", "memory", "disk", "network"];

let passed = 0;
let failed = 0;

async function check(name, body) {
  try {
    await body();
    passed += 1;
    console.log(`ok    ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${name}\n      ${String(error?.message ?? error).replaceAll("\n", "\n      ")}`);
  }
}

/** Starts quickstart and waits for the line with the page's address. */
async function startQuickstart(binary, stateDir) {
  const child = spawn(binary, ["--state-dir", stateDir, "quickstart", "--listen", "127.0.0.1:0"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = [];
  const exited = new Promise((resolve) => {
    child.once("error", (error) => resolve({ code: null, signal: null, error }));
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
  const address = new Promise((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => {
        output.push(line);
        if (output.length > OUTPUT_LINES_MAX) output.shift();
        const found = stream === child.stderr && line.match(/http:\/\/127\.0\.0\.1:\d+\//);
        if (found) resolve(found[0]);
      });
    }
  });
  const ended = exited.then(({ code, signal, error }) => {
    throw new Error(`quickstart ended too early: ${error?.message ?? signal ?? `exit code ${code}`}`);
  });
  ended.catch(() => {});
  const url = await within(ADDRESS_WAIT_MSEC, "the page's address on stderr", Promise.race([address, ended])).catch(
    (error) => {
      child.kill("SIGKILL");
      throw new Error(`${error.message}\n${output.join("\n")}`);
    },
  );
  return { child, url, exited, output };
}

function within(msec, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${msec} ms for ${what}`)), msec);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Runs in the page before its own scripts: writes down every state a row was in. */
function recordStates() {
  const states = [];
  globalThis.recordedStates = states;
  const note = (row) => {
    const entry = { step: row.dataset.step, state: row.dataset.state };
    const before = states.findLast(({ step }) => step === entry.step);
    if (before?.state !== entry.state) states.push(entry);
  };
  new MutationObserver(() => document.querySelectorAll("[data-step]").forEach(note)).observe(document, {
    subtree: true,
    childList: true,
    attributes: true,
    attributeFilter: ["data-state"],
  });
}

async function openPage(browser, url) {
  const page = await browser.newPage({ viewport: { width: WIDTHS[0], height: 900 } });
  page.setDefaultTimeout(PAGE_WAIT_MSEC);
  const trouble = { console: [], foreign: [] };
  const origin = new URL(url).origin;
  page.on("console", (message) => {
    if (message.type() === "error") trouble.console.push(message.text());
  });
  page.on("pageerror", (error) => trouble.console.push(error.message));
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== origin) trouble.foreign.push(request.url());
  });
  await page.addInitScript(recordStates);
  await page.goto(url, { waitUntil: "domcontentloaded" });
  return { page, trouble };
}

async function takeScreenshots(page, moment) {
  if (!process.env.SCREENSHOTS) return;
  mkdirSync(process.env.SCREENSHOTS, { recursive: true });
  for (const width of WIDTHS) {
    for (const colorScheme of SCHEMES) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme });
      const name = `quickstart-${moment}-${colorScheme}-${width}.png`;
      await page.screenshot({ path: path.join(process.env.SCREENSHOTS, name), fullPage: true });
    }
  }
  await page.setViewportSize({ width: WIDTHS[0], height: 900 });
}

/** Steps that the page showed as running and later as completed. */
function seenThrough(states) {
  return [...new Set(states.map(({ step }) => step))].filter((id) => {
    const own = states.filter(({ step }) => step === id).map(({ state }) => state);
    const running = own.indexOf("RUNNING");
    return running >= 0 && own.indexOf("COMPLETED", running) > running;
  });
}

function paintedPixels(canvas) {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let painted = 0;
  for (let alpha = 3; alpha < data.length; alpha += 4) if (data[alpha] > 0) painted += 1;
  return painted;
}

async function checkRunning(page) {
  await check("the page is live and names the machine", async () => {
    await page.locator('[data-link="live"]').waitFor();
    assert.notEqual((await page.locator("h1").textContent()).trim(), "");
    assert.match(await page.locator("header").first().textContent(), /Linux \d+\./);
  });
  await check("a running step has its row", async () => {
    await page.locator('[data-step][data-state="RUNNING"]').first().waitFor({ timeout: BUILD_WAIT_MSEC });
  });
  await check("the charts begin to fill", async () => {
    await page.waitForFunction(
      (points) => Number(document.querySelector('[data-chart="cpu"]').dataset.points) >= points,
      POINTS_MIN,
    );
  });
}

async function checkCompleted(page) {
  await check("the build completes on the page", async () => {
    await page.locator('[data-run][data-state="COMPLETED"]').waitFor({ timeout: BUILD_WAIT_MSEC });
    const states = await page.locator("[data-step]").evaluateAll((rows) => rows.map((row) => row.dataset.state));
    assert.ok(states.length >= 4, `only ${states.length} steps`);
    assert.ok(states.every((state) => state === "COMPLETED"), states.join(" "));
  });
  await check("a step went from running to completed before the reader's eyes", async () => {
    const states = await page.evaluate(() => globalThis.recordedStates);
    assert.notDeepEqual(seenThrough(states), [], JSON.stringify(states));
  });
}

async function checkCharts(page) {
  for (const key of CHARTS) {
    await check(`the ${key} chart has data`, async () => {
      const chart = page.locator(`[data-chart="${key}"]`);
      const points = Number(await chart.getAttribute("data-points"));
      assert.ok(points >= POINTS_MIN, `${points} points`);
      const painted = await chart.locator("canvas").evaluate(paintedPixels);
      assert.ok(painted > 200, `${painted} painted pixels`);
      assert.match(await chart.locator("figcaption strong").textContent(), /\d/);
    });
  }
}

async function checkManners(page, trouble) {
  for (const width of [380, ...WIDTHS]) {
    await check(`nothing sticks out at ${width} px`, async () => {
      await page.setViewportSize({ width, height: 900 });
      const needed = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(needed <= width, `the page needs ${needed} px`);
    });
  }
  await check("the console shows no error", () => assert.deepEqual(trouble.console, []));
  await check("nothing was asked of another origin", () => assert.deepEqual(trouble.foreign, []));
}

async function checkEnd(page, { child, exited, output }) {
  await check("SIGINT ends quickstart with exit code 0", async () => {
    child.kill("SIGINT");
    const { code, signal } = await within(EXIT_WAIT_MSEC, "quickstart to end", exited);
    assert.deepEqual({ code, signal }, { code: 0, signal: null }, output.slice(-20).join("\n"));
  });
  await check("without a server the page says so and keeps its data", async () => {
    await page.locator('[data-link="reconnecting"]').waitFor();
    assert.match(await page.getByRole("alert").textContent(), /Connection lost/);
    assert.ok((await page.locator("[data-step]").count()) >= 4);
  });
}

async function watchQuickstart(binary, stateDir) {
  const quickstart = await startQuickstart(binary, stateDir);
  let browser;
  try {
    browser = await chromium.launch({
      executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"],
    });
    const { page, trouble } = await openPage(browser, quickstart.url);
    await checkRunning(page);
    await takeScreenshots(page, "running");
    await checkCompleted(page);
    await checkCharts(page);
    await takeScreenshots(page, "completed");
    await checkManners(page, trouble);
    await checkEnd(page, quickstart);
    await takeScreenshots(page, "disconnected");
  } finally {
    await browser?.close();
    quickstart.child.kill("SIGKILL");
    await within(EXIT_WAIT_MSEC, "the killed quickstart", quickstart.exited).catch(() => {});
  }
}

const binary = process.env.LFS_WRAPPER_BIN;
if (!binary || !existsSync(binary)) {
  console.error("LFS_WRAPPER_BIN must name the built lfs-wrapper binary");
  process.exit(2);
}
const stateDir = mkdtempSync(path.join(tmpdir(), "lfs-wrapper-e2e-"));
try {
  await check("the whole run could be watched", () => watchQuickstart(path.resolve(binary), stateDir));
} finally {
  rmSync(stateDir, { recursive: true, force: true });
}
await check("nothing is left behind", () => assert.equal(existsSync(stateDir), false));
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
