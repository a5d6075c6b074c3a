// Somebody with a real browser: opens the page, buys twice, and the second time the shop has to turn them away.
const { chromium } = require('playwright-core');

const QUIET = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-quic', '--no-first-run'];

const tells = (request, path) => request.url().endsWith('/v1/traces') && request.postData()?.includes(path);

async function visit(url, executablePath) {
  const browser = await chromium.launch({ executablePath, args: QUIET, chromiumSandbox: process.getuid() !== 0 });
  try {
    const page = await browser.newPage();
    page.on('requestfailed', (request) => console.error(`${request.url()}: ${request.failure().errorText}`));
    await page.goto(url, { waitUntil: 'load' });
    for (const [order, answer] of [['1', 'Thank you!'], ['declined', 'Please try again.']]) {
      const told = page.waitForResponse((response) => response.ok() && tells(response.request(), `/orders/${order}`));
      await page.locator('#buy').evaluate((button, order) => (button.dataset.order = order), order);
      await page.click('#buy');
      await page.getByText(answer).waitFor();
      await told;
    }
  } finally {
    await browser.close();
  }
}

visit(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
