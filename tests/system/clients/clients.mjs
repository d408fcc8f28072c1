// Runs the Node clients against the service at the given address. Prints one JSON line a case.
import OpenAI from "openai";
import { generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { createOpenRouter } from "@openrouter/ai-sdk-provider";
import { OpenRouter } from "@openrouter/sdk";
import { z } from "zod";

globalThis.AI_SDK_LOG_WARNINGS = false;
const [address, broken] = process.argv.slice(2);
const apiKey = "any";

async function run(name, work) {
  let result;
  try {
    result = await work();
  } catch (error) {
    result = `${error.name}: ${String(error.message).slice(0, 300)}`;
  }
  console.log(JSON.stringify([name, result]));
}

// -- the AI SDK with its providers ------------------------------------------------------------

const look = tool({
  description: "Look somewhere.",
  inputSchema: z.object({ place: z.string() }),
  execute: async ({ place }) => `a door at ${place}`,
});
const asked = { tools: { look }, prompt: "look around", stopWhen: stepCountIs(6), maxRetries: 0 };
const city = z.object({ name: z.string() });

function models(base) {
  const openai = createOpenAI({ baseURL: `${base}/v1`, apiKey });
  const compatible = { name: "compatible", baseURL: `${base}/v1`, apiKey, supportsStructuredOutputs: true };
  return {
    responses: openai.responses("auto"),
    chat: openai.chat("auto"),
    compatible: createOpenAICompatible(compatible).chatModel("auto"),
    openrouter: createOpenRouter({ baseURL: `${base}/api/v1`, apiKey }).chat("auto"),
  };
}

for (const [name, model] of Object.entries(models(address))) {
  await run(`ai ${name} chat`, async () => (await generateText({ model, prompt: "hi", maxRetries: 0 })).text);
  await run(`ai ${name} tools`, async () => {
    const { steps, text } = await generateText({ model, ...asked });
    return [steps.length, text];
  });
  await run(`ai ${name} stream`, async () => {
    const result = streamText({ model, ...asked });
    return [(await result.steps).length, await result.text];
  });
  await run(`ai ${name} structured`, async () =>
    (await generateObject({ model, schema: city, prompt: "About Lisbon", maxRetries: 0 })).object);
}
for (const [name, model] of Object.entries(models(broken))) {
  await run(`ai ${name} error`, async () => {
    const errors = [];
    const result = streamText({ model, prompt: "hi", maxRetries: 0, onError: ({ error }) => errors.push(error) });
    for await (const part of result.textStream) void part;
    return errors.length > 0 || (await result.finishReason) === "error";
  });
}

// -- OpenAI's own ------------------------------------------------------------------------------

const openai = new OpenAI({ baseURL: `${address}/v1`, apiKey, maxRetries: 0 });
const messages = [{ role: "user", content: "hi" }];
const parameters = { type: "object", properties: { place: { type: "string" } } };
const runner = (stream) =>
  openai.chat.completions.runTools({
    model: "auto",
    stream,
    messages: [{ role: "user", content: "look around" }],
    tools: [{
      type: "function",
      function: { name: "look", parse: JSON.parse, function: ({ place }) => `a door at ${place}`, parameters },
    }],
  }).finalContent();

await run("openai chat", async () =>
  (await openai.chat.completions.create({ model: "auto", messages })).choices[0].message.content);
await run("openai tools", () => runner(false));
await run("openai tools streamed", () => runner(true));
await run("openai responses", async () => (await openai.responses.create({ model: "auto", input: "hi" })).output_text);
await run("openai responses stream", async () =>
  (await openai.responses.stream({ model: "auto", input: "hi" }).finalResponse()).output_text);
await run("openai stored", async () => {
  const first = await openai.responses.create({ model: "auto", input: "hi" });
  const items = await openai.responses.inputItems.list(first.id);
  await openai.responses.delete(first.id);
  return items.data[0].content[0].text;
});
await run("openai error", async () => openai.chat.completions.create({ model: "auto", messages: [] }));

// -- OpenRouter's own --------------------------------------------------------------------------

const openrouter = new OpenRouter({ apiKey, serverURL: `${address}/api/v1` });
await run("openrouter chat", async () =>
  (await openrouter.chat.send({ chatRequest: { model: "auto", messages } })).choices[0].message.content);
await run("openrouter stream", async () => {
  let text = "";
  for await (const chunk of await openrouter.chat.send({ chatRequest: { model: "auto", messages, stream: true } }))
    text += chunk.choices[0]?.delta?.content ?? "";
  return text;
});
await run("openrouter responses", async () =>
  (await openrouter.beta.responses.send({ responsesRequest: { model: "auto", input: "hi" } }))
    .output.at(-1).content[0].text);
await run("openrouter models", async () => (await openrouter.models.list()).result.data.length);
await run("openrouter endpoints", async () => {
  const { data } = await openrouter.endpoints.list({ author: "c", slug: "m:free" });
  return [data.id, data.endpoints[0].providerName];
});
await run("openrouter model", async () => (await openrouter.models.get({ author: "c", slug: "m:free" })).data.id);
await run("openrouter providers", async () => (await openrouter.providers.list()).data.map((row) => row.slug));
await run("openrouter key", async () => (await openrouter.apiKeys.getCurrentKeyMetadata()).data.label);
await run("openrouter credits", async () => (await openrouter.credits.getCredits()).data.totalUsage);
await run("openrouter error", async () => openrouter.chat.send({ chatRequest: { model: "auto", messages: [] } }));
