// "What will I earn?": pays one more deal by the rules of a plan, as the engine of the library does. Whole cents and exact
// fractions; nothing is stored, nothing is sent. `earn.pays` is the whole computation, the rest shows it.
"use strict";
globalThis.earn = (() => {
  // --- exact fractions: [numerator, denominator above 0] ---------------------------------------------------------------
  const ZERO = [0n, 1n];
  const ONE = [1n, 1n];
  const size = (n) => (n < 0n ? -n : n);
  const most = (a, b) => (a > b ? a : b);
  const least = (a, b) => (a < b ? a : b);

  function fraction(n, d = 1n) {
    let [a, b] = [size(n), d];
    while (b) [a, b] = [b, a % b];
    return a > 1n ? [n / a, d / a] : [n, d];
  }
  function read(text) {
    const [n, d = "1"] = text.split("/");
    return fraction(BigInt(n), BigInt(d));
  }
  const plus = (x, y) => fraction(x[0] * y[1] + y[0] * x[1], x[1] * y[1]);
  const minus = (x, y) => plus(x, [-y[0], y[1]]);
  const times = (x, y) => fraction(x[0] * y[0], x[1] * y[1]);
  const over = (x, y) => fraction(y[0] < 0n ? -x[0] * y[1] : x[0] * y[1], x[1] * size(y[0]));
  const isLess = (x, y) => x[0] * y[1] < y[0] * x[1];
  const lower = (x, y) => (isLess(y, x) ? y : x);
  const higher = (x, y) => (isLess(x, y) ? y : x);

  /** A whole number: half_up (halves away from zero), half_even, up (away from zero) or down. */
  function rounded([n, d], how = "half_up") {
    const [whole, rest] = [size(n) / d, size(n) % d];
    const isUp = {
      half_up: 2n * rest >= d,
      half_even: 2n * rest > d || (2n * rest === d && whole % 2n === 1n),
      up: rest > 0n,
      down: false,
    }[how];
    return (n < 0n ? -1n : 1n) * (whole + (isUp ? 1n : 0n));
  }
  const share = (cents, of) => rounded(times([cents, 1n], of));

  // --- tiers -----------------------------------------------------------------------------------------------------------
  /** Tiers with positions in cents: `by` is the quota where they are shares of one. */
  function scaled(part, by) {
    const starts = part.tiers.map((tier) => times(read(tier.from), [by, 1n]));
    const end = part.end === null ? null : times(read(part.end), [by, 1n]);
    return { how: part.application, starts, values: part.tiers.map((tier) => read(tier.value)), end };
  }
  /** How what lies between two positions falls into the tiers: [amount, rate] of each. */
  function parts(tiers, before, after) {
    return tiers.starts.map((start, i) => {
      const end = i + 1 < tiers.starts.length ? tiers.starts[i + 1] : tiers.end;
      const inside = minus(end === null ? after : lower(after, end), higher(before, start));
      const rate = tiers.how === "interpolated" ? over(tiers.values[i], minus(end, start)) : tiers.values[i];
      return [higher(inside, ZERO), rate];
    });
  }
  const paidIn = (tiers, before, after) =>
    parts(tiers, before, after).reduce((sum, [part, rate]) => plus(sum, times(part, rate)), ZERO);
  const tierAt = (tiers, place) => tiers.starts.findLastIndex((start) => !isLess(place, start));
  const rateAt = (tiers, place) => tiers.values[tierAt(tiers, place)] ?? ZERO;
  /** The rate of the position reached on all that is paid on; beyond the end only on the part that lies within. */
  function whole(tiers, paidOn, place) {
    const within = tiers.end !== null && isLess(tiers.end, [place, 1n]) ? over(tiers.end, [place, 1n]) : ONE;
    return times(times([most(paidOn, 0n), 1n], within), rateAt(tiers, [most(place, 0n), 1n]));
  }
  const earned = (tiers, place) => (tiers.how === "whole" ? whole(tiers, place, place) : paidIn(tiers, ZERO, [place, 1n]));
  const POINT = [1n, 10n ** 9n]; // of a cent: short enough to lie in one tier
  /** The mean rate between two positions; at one position that of the next bit of credit. */
  function rate(tiers, before, after) {
    if (before !== after) return over(minus(earned(tiers, after), earned(tiers, before)), [after - before, 1n]);
    const place = [most(after, 0n), 1n];
    return parts(tiers, place, plus(place, POINT)).reduce((sum, [part, one]) => (part[0] > 0n ? plus(sum, one) : sum), ZERO);
  }

  // --- what a plan asks of its reader ----------------------------------------------------------------------------------
  const SPANS = { none: "quarter", month: "month", quarter: "quarter", year: "year", year_to_date: "year" };
  const quotaKey = (measure, period) => `${measure} ${period === "none" ? "quarter" : period}`;
  const placeKey = (part, measure, period) =>
    [
      measure,
      SPANS[period],
      part.of,
      part.kinds.join("+"),
      measure === part.measure ? JSON.stringify(part.credited) : "null",
    ].join(" ");
  const gateSpan = (gate) => (gate.period === "year" ? "year_to_date" : gate.period);
  /** Whether a gate is judged for shorter periods than those over which the position runs. */
  const isJudgedApart = (part) =>
    part.gate !== null &&
    SPANS[part.accumulation] === "year" &&
    !(part.accumulation === "year_to_date" && part.gate.period === "year");
  const sameFactors = (part) => JSON.stringify(part.credited) === JSON.stringify(part.commissionable);

  // --- one more deal ---------------------------------------------------------------------------------------------------
  function factor(factors, deal) {
    if (factors === null) return ONE;
    const signed = factors.multi_year.filter((one) => deal.years >= one.years).at(-1);
    return [
      [deal.renewal, factors.renewal],
      [signed, signed?.factor],
      [deal.prepaid, factors.prepaid],
    ].reduce((product, [is, one]) => (is ? times(product, read(one)) : product), ONE);
  }
  /** Cents that a deal counts of a measure: accepted leads count 1.00 each, a deal of another kind or person nothing. */
  function counted(part, measure, factors, deal) {
    if (measure === "leads") return BigInt(deal.leads ?? 0) * 100n;
    const isTheirs = part.of === deal.of || (part.of === "team" && deal.of === "reports");
    if (!isTheirs || !part.kinds.includes(deal.kind) || (measure === "renewals" && !deal.renewal)) return 0n;
    return share(BigInt(deal.amount), factor(factors, deal));
  }
  /** Target pay at quota of a component in its window, cents: a year's, cut at rounded twelfths. */
  function target(part, given) {
    const annual = share(BigInt(given.variable ?? 0), read(part.weight));
    const upto = (month) => rounded([annual * BigInt(month), 12n]);
    if (part.accumulation === "month") return upto(given.month) - upto(given.month - 1);
    if (part.accumulation === "year") return annual;
    return upto(3 * given.quarter) - (part.accumulation === "year_to_date" ? 0n : upto(3 * given.quarter - 3));
  }
  /** What a cap of the whole leaves of a sum. */
  function left(cents, cap) {
    if (cap === null || cap.kind === "per_deal") return cents;
    const limit = BigInt(cap.cents);
    return least(cents, limit) + share(most(cents - limit, 0n), read(cap.share_above));
  }

  /** What deals pay one after the other, by component of a plan. `given`: cents as texts, all that the fields of the page
   * ask for. Where a quota or a target is missing, `missing` names it; `unknown` names what cannot be told from totals. */
  const pays = (plan, given) => plan.components.map((part) => ofPart(part, given));

  /** A component's quota (1: its tiers are money), tiers in cents, and how what is earned becomes cents. */
  function prepared(part, given) {
    const quota = part.basis === "amount" ? 1n : BigInt(given.quotas[quotaKey(part.measure, part.accumulation)] ?? 0);
    const goal = part.basis === "target" ? target(part, given) : 1n;
    if (quota <= 0n || goal <= 0n) return { missing: quota <= 0n ? "quota" : "target" };
    const unit = part.basis !== "target" ? ONE : part.application === "interpolated" ? [goal, 1n] : fraction(goal, quota);
    return { quota, tiers: scaled(part, quota), cents: (exact) => rounded(times(unit, exact), part.rounding) };
  }

  function ofPart(part, given) {
    const { missing, quota, tiers, cents } = prepared(part, given);
    if (missing) return { name: part.name, missing, deals: [] };
    const isAlone = part.accumulation === "none";
    const key = placeKey(part, part.measure, part.accumulation);
    const start = isJudgedApart(part) ? cents(earned(tiers, BigInt(given.starts?.[key] ?? 0))) : 0n;
    const gate = gateOf(part, given);

    let place = isAlone ? 0n : BigInt(given.attained[key] ?? 0);
    let paidOn = BigInt(given.bases?.[key] ?? place);
    let exact = part.application === "whole" ? whole(tiers, paidOn, place) : earned(tiers, place);
    const deals = given.deals.map((deal) => {
      const credit = counted(part, part.measure, part.credited, deal);
      const base = counted(part, part.measure, part.commissionable, deal);
      const before = isAlone ? 0n : place;
      const after = before + credit;
      const isOpen = [gate.isOpen(), gate.isOpen(deal)];
      const passed = parts(tiers, [least(before, after), 1n], [most(before, after), 1n]);
      let [from, to] = [0n, cents(times([base, 1n], rate(tiers, 0n, size(credit))))];
      if (!isAlone) {
        paidOn += base;
        from = cents(exact);
        exact =
          part.application === "whole"
            ? whole(tiers, paidOn, after)
            : plus(exact, times([base, 1n], rate(tiers, before, after)));
        to = cents(exact);
        place = after;
      }
      const tier = (at) => tierAt(tiers, [at, 1n]);
      return {
        credit,
        base,
        before,
        after,
        tiers: [tier(before), tier(after)],
        passed,
        earned: to - from,
        gate: gate.told(isOpen),
        ...settled(part, from, to, start, isOpen),
      };
    });
    return { name: part.name, quota, deals };
  }

  /** The gate of a component: whether it is open now, and after a deal (which then counts for the next one). */
  function gateOf(part, given) {
    if (part.gate === null) return { isOpen: () => true, told: () => "none" };
    const { measure } = part.gate;
    const quota = BigInt(given.quotas[quotaKey(measure, gateSpan(part.gate))] ?? 0);
    let attained = BigInt(given.attained[placeKey(part, measure, gateSpan(part.gate))] ?? 0);
    return {
      isOpen(deal) {
        if (deal) attained += counted(part, measure, measure === part.measure ? part.credited : null, deal);
        return quota > 0n && !isLess(fraction(attained, quota), read(part.gate.at_least));
      },
      told: ([was, is]) => (is ? (was ? "open" : "opens") : "closed"),
    };
  }

  /** What gate, cap and holdback leave. `from`, `to`: all earned before and after the deal; `start`: what a closed gate leaves. */
  function settled(part, from, to, start, [was, is]) {
    const unknown = [];
    const holdback = minus(ONE, booked(part));
    const isSplit = holdback[0] > 0n && isLess(holdback, ONE);
    const isPerDeal = part.cap?.kind === "per_deal";
    if (!was && is && SPANS[part.accumulation] === "month" && part.gate.period !== "month") unknown.push("months");
    if (part.cap && !isPerDeal && (part.accumulation === "none" || isJudgedApart(part))) unknown.push("cap");
    if (part.accumulation === "none" || isPerDeal) {
      if (!was && is) unknown.push("gate");
      if (isSplit && is) unknown.push("held");
      let kept = is ? to - from : 0n;
      if (isPerDeal) kept = most(least(kept, BigInt(part.cap.cents)), -BigInt(part.cap.cents));
      const waits = share(kept, holdback);
      return { pays: kept, withheld: (is ? to - from : 0n) - kept, held: waits, now: kept - waits, unknown };
    }
    if (isSplit && isJudgedApart(part)) unknown.push("held");
    const owed = [was ? from : start, is ? to : start];
    const kept = owed.map((one) => (unknown.includes("cap") ? one : left(one, part.cap)));
    const waits = share(kept[1], holdback) - share(kept[0], holdback);
    const all = kept[1] - kept[0];
    return { pays: all, withheld: owed[1] - owed[0] - all, held: waits, now: all - waits, unknown };
  }
  const booked = (part) =>
    part.payable.filter((one) => one.on === "booking").reduce((sum, one) => plus(sum, read(one.share)), ZERO);

  /** What is held, by what it waits for, cut at rounded sums: [cents, told]. */
  function waiting(part, held) {
    const later = part.payable.filter((one) => one.on !== "booking").sort((a, b) => a.months - b.months);
    const all = later.reduce((sum, one) => plus(sum, read(one.share)), ZERO);
    let [done, released] = [ZERO, 0n];
    return later.map((one) => {
      done = plus(done, read(one.share));
      const upto = share(held, over(done, all));
      const own = upto - released;
      released = upto;
      return [own, one.told];
    });
  }

  /** Points of what a component pays, [credit, cents], the gate open: of one deal where each stands alone, else of all. */
  function curve(part, given, upto) {
    const { tiers, cents, missing } = prepared(part, given);
    if (missing) return [];
    const steps = Array.from({ length: 61 }, (_, i) => (upto * BigInt(i)) / 60n);
    const edges = [...tiers.starts, ...(tiers.end === null ? [] : [tiers.end])].flatMap(([n, d]) => [n / d - 1n, n / d]);
    const places = [...steps, ...edges].filter((place) => place >= 0n && place <= upto).sort((a, b) => (a < b ? -1 : 1));
    const limit = part.cap?.kind === "per_deal" && part.accumulation === "none" ? BigInt(part.cap.cents) : null;
    return places.map((place) => {
      const all = left(cents(earned(tiers, place)), part.accumulation === "none" ? null : part.cap);
      return [place, limit === null ? all : least(all, limit)];
    });
  }

  return { pays, waiting, curve, read, rounded, times, quotaKey, placeKey, gateSpan, isJudgedApart, sameFactors };
})();

// --- the page ------------------------------------------------------------------------------------------------------------
(() => {
  const page = document.getElementById("earn");
  if (!page) return;
  const plans = JSON.parse(page.dataset.plans);
  const words = JSON.parse(page.dataset.words);
  /** A text in the language of the page, with its gaps filled in their order. */
  function say(text, ...gaps) {
    return gaps.reduce((said, gap) => said.replace("{}", () => gap), words[text] ?? text);
  }
  const WHAT = { bookings: "won deals", renewals: "won renewals", leads: "accepted leads" };
  const WHOSE = { own: "", reports: " of who reports to you", team: " of your team" };
  const SOLD = { month: "this month", quarter: "this quarter", year: "this year" };
  const QUOTA = {
    none: "quarter",
    month: "month",
    quarter: "quarter",
    year: "whole year",
    year_to_date: "year up to this quarter's end",
  };
  const UNKNOWN = {
    cap: "A cap looks at all deals of the period. What it leaves of this one cannot be told from totals: this is before the cap.",
    gate: "The deal opens the gate. What that lets through of earlier deals cannot be told from totals and is not in it.",
    months: "The deal opens the gate of earlier months, too. What they then pay cannot be told from totals and is not in it.",
    held: "The cents of what is held depend on the deals before it: they may differ by one.",
  };
  const $ = (name) => document.getElementById(`earn-${name}`);

  // --- elements: text is always text ---
  function made(tag, attributes, ...inside) {
    const isDrawn = ["svg", "polyline", "line", "circle", "text"].includes(tag);
    const element = isDrawn ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...inside);
    return element;
  }
  const grouped = (cents) => {
    const digits = String(cents < 0n ? -cents : cents).padStart(3, "0");
    return `${cents < 0n ? "−" : ""}${digits.slice(0, -2).replace(/\B(?=(\d{3})+$)/g, say(","))}${say(".")}${digits.slice(-2)}`;
  };
  const money = (cents) => `${grouped(cents)} ${plan.currency}`;
  const decimals = (x, places) =>
    String(Number(earn.rounded(earn.times(x, [10n ** BigInt(places), 1n]))) / 10 ** places).replace(".", say("."));
  const percent = (x) => `${decimals(earn.times(x, [100n, 1n]), 2)}\u00a0%`;
  const counted = (part, cents) => (part.measure === "leads" ? say("{} leads", grouped(cents).slice(0, -3)) : money(cents));

  /** Cents of what somebody typed: 10 000, 10,000.50 or 10.000,50; null where it is no amount. */
  function typed(text) {
    const plain = text.replace(/[\s\u00a0\u202f'’€$£]/g, "");
    const found = /^(\d{1,3}(?:[.,]\d{3})+|\d+)(?:[.,](\d{1,2}))?$/.exec(plain);
    if (!plain) return 0n;
    return found && plain.length < 18 ? BigInt(found[1].replace(/[.,]/g, "") + (found[2] ?? "").padEnd(2, "0")) : null;
  }

  // --- what is asked ---
  let plan = plans[0];

  /** One field for each number that the plan's parts look at, each once: kept under `where` and `key`. */
  function fields() {
    const asked = new Map();
    const ask = (where, key, label, hint = "") => asked.set(`${where} ${key}`, { where, key, label, hint });
    for (const part of plan.components) {
      const [key, what] = [earn.placeKey(part, part.measure, part.accumulation), say(WHAT[part.measure]) + say(WHOSE[part.of])];
      const span = key.split(" ")[1];
      const kinds = new Set(plan.components.map((one) => one.kinds.join())).size > 1 ? say(", as {}", part.kinds.map((kind) => say(kind)).join(say(" or "))) : "";
      if (part.basis !== "amount")
        ask(
          "quotas",
          earn.quotaKey(part.measure, part.accumulation),
          say("Your quota of the {}, {}", say(QUOTA[part.accumulation]), say(WHAT[part.measure])),
        );
      if (part.accumulation !== "none")
        ask(
          "attained",
          key,
          say("Attained so far {}, {}", say(SOLD[span]), what + kinds),
          part.credited ? say("As counted towards the quota, with its factors.") : "",
        );
      if (part.accumulation !== "none" && earn.isJudgedApart(part)) ask("starts", key, say("Of it before this quarter, {}", what));
      if (part.application === "whole" && !earn.sameFactors(part))
        ask(
          "bases",
          key,
          say("Paid on so far {}, {}", say(SOLD[span]), what),
          say("The amounts that pay, where they differ from what counts towards the quota. Empty: the same."),
        );
      if (part.gate) {
        const over = earn.gateSpan(part.gate);
        const gateKey = earn.placeKey(part, part.gate.measure, over);
        const gated = say(WHAT[part.gate.measure]);
        ask("quotas", earn.quotaKey(part.gate.measure, over), say("Your quota of the {}, {}", say(QUOTA[over]), gated));
        ask("attained", gateKey, say("Attained so far {}, {}", say(SOLD[gateKey.split(" ")[1]]), gated + say(WHOSE[part.of]) + kinds));
      }
    }
    return [...asked.values()];
  }

  const has = (test) => plan.components.some(test);
  const measured = (part) => [part.measure, ...(part.gate ? [part.gate.measure] : [])];
  const isOnly = (measure) => !has((part) => measured(part).some((one) => one !== measure));
  const terms = () => plan.components.flatMap((part) => [part.credited, part.commissionable]).filter(Boolean);

  function field(id, label, hint, input) {
    input.id = `earn-${id}`;
    const told = hint ? [made("small", { id: `${input.id}-hint` }, say(hint))] : [];
    if (hint) input.setAttribute("aria-describedby", `${input.id}-hint`);
    const named = made("label", { for: input.id }, say(label));
    return made("div", { class: "earn-field" }, ...(input.type === "checkbox" ? [input, named] : [named, input]), ...told);
  }
  const amount = (value = "") => made("input", { type: "text", inputmode: "decimal", autocomplete: "off", value });
  const chosen = (options) => made("select", {}, ...options.map(([value, told]) => made("option", { value }, told)));
  const whole = (value, least, most) =>
    made("input", { type: "number", inputmode: "numeric", autocomplete: "off", value, min: least, max: most });

  function ask() {
    const own = fields().map((one, i) => field(`own-${i}`, one.label, one.hint, amount()));
    if (has((part) => part.basis === "target")) {
      own.push(field("variable", "Your variable pay of a year, at target", "From your plan letter.", amount()));
      own.push(
        has((part) => part.accumulation === "month")
          ? field("month", "Month of the fiscal year", "", whole(1, 1, 12))
          : field("quarter", "Quarter of the fiscal year", "", chosen([1, 2, 3, 4].map((n) => [n, n]))),
      );
    }
    const deal = [];
    if (!isOnly("leads")) {
      deal.push(
        field(
          "amount",
          "Amount of the deal",
          has((part) => part.of === "own") ? "Your share of it, where it is split." : "",
          amount(),
        ),
      );
      deal.push(
        field(
          "years",
          "Term, in years",
          terms().some((one) => one.multi_year.length) ? "" : "The plan pays the same for every term.",
          whole(1, 0, 99),
        ),
      );
      const kinds = [...new Set(plan.components.flatMap((part) => part.kinds))];
      if (has((part) => part.kinds.length < kinds.length))
        deal.push(field("kind", "You are credited as", "", chosen(kinds.map((kind) => [kind, say(kind)]))));
      const whose = [...new Set(plan.components.map((part) => part.of))];
      if (whose.length > 1)
        deal.push(field("of", "It is a deal", "", chosen(whose.map((of) => [of, say(WHOSE[of]).trim() || say("of your own")]))));
      if (terms().some((one) => one.prepaid !== "1"))
        deal.push(field("prepaid", "Paid in advance", "", made("input", { type: "checkbox" })));
      const isAsked = has((part) => measured(part).includes("renewals")) || terms().some((one) => one.renewal !== "1");
      if (isAsked && !isOnly("renewals"))
        deal.push(field("renewal", "It is a renewal", "", made("input", { type: "checkbox" })));
    }
    if (has((part) => measured(part).includes("leads"))) deal.push(field("leads", "More leads accepted", "", whole(1, 0, 9999)));
    $("fields").replaceChildren(
      made("fieldset", {}, made("legend", {}, say("Where you stand")), ...own),
      made("fieldset", {}, made("legend", {}, say(isOnly("leads") ? "The leads" : "The deal")), ...deal),
    );
    page.querySelectorAll("input, select").forEach((input) => input.addEventListener("input", soon));
    show();
  }

  /** What the fields say; null, with the field marked, where one is no number. */
  function said() {
    const given = { quotas: {}, attained: {}, starts: {}, bases: {} };
    let isWhole = true;
    const cents = (input) => {
      const found = input ? typed(input.value) : 0n;
      input?.setAttribute("aria-invalid", String(found === null));
      isWhole &&= found !== null;
      return String(found ?? 0n);
    };
    const number = (name, otherwise) => {
      const input = $(name);
      if (!input) return otherwise;
      const isNumber = /^\d+$/.test(input.value) && input.checkValidity(); // an empty term is none, not 0 years
      input.setAttribute("aria-invalid", String(!isNumber));
      isWhole &&= isNumber;
      return Number(input.value);
    };
    fields().forEach((one, i) => {
      if (one.where !== "bases" || $(`own-${i}`).value.trim()) given[one.where][one.key] = cents($(`own-${i}`));
    });
    Object.assign(given, {
      variable: cents($("variable")),
      quarter: number("quarter", 1),
      month: number("month", 1),
    });
    const kind = $("kind")?.value ?? plan.components[0]?.kinds[0];
    const of = $("of")?.value ?? plan.components[0]?.of;
    const deal = {
      amount: cents($("amount")),
      kind,
      of,
      years: number("years", 1),
      leads: number("leads", 0),
      prepaid: $("prepaid")?.checked ?? false,
      renewal: $("renewal")?.checked ?? isOnly("renewals"),
    };
    const next = $("amount") ? { amount: "1000000", leads: 0 } : { amount: "0", leads: 1 };
    given.deals = [deal, { ...next, kind, of, years: 1, prepaid: false, renewal: isOnly("renewals") }];
    return isWhole ? given : null;
  }

  // --- what is shown ---
  function show() {
    const given = said();
    const found = given ? earn.pays(plan, given) : [];
    const missing = found.find((one) => one.missing)?.missing;
    const answer = !given
      ? say("A marked field is no amount, like 25,000.00, or no whole number, like 3.")
      : missing
        ? say(`Type your ${missing === "quota" ? "quota" : "variable pay"} and the deal to see what it pays.`)
        : told(found);
    if ($("answer").textContent !== answer) $("answer").textContent = answer;
    $("parts").replaceChildren(...(given && !missing ? plan.components.map((part, i) => shown(part, given, found[i])) : []));
    $("left-out").textContent = [
      plan.left_out.length ? say("Not in it: {}.", plan.left_out.join(", ")) : "",
      has((part) => part.is_taken_back) ? say("Pay can be taken back when the contract is cancelled early.") : "",
      has((part) => !earn.sameFactors(part))
        ? say("Deals so far are taken as paid on what they counted: where factors made a difference, a cent may.")
        : "",
    ].join(" ");
  }
  const sum = (found, deal, name) => found.reduce((all, one) => all + one.deals[deal][name], 0n);

  function told(found) {
    const later = plan.components.flatMap((part, i) => earn.waiting(part, found[i].deals[0].held)).filter(([cents]) => cents);
    const now = sum(found, 0, "now");
    const when = [...(now ? [[now, say("on booking")]] : []), ...later].map(([cents, said]) => `${money(cents)} ${said}`);
    const paid = later.length ? say(": {}", when.join(", ")) : "";
    const closed = found.some((one) => one.deals[0].gate === "closed")
      ? ` ${say("A gate is still closed: what is behind it pays nothing until it opens.")}`
      : "";
    const opens = found.some((one) => one.deals[0].gate === "opens")
      ? ` ${say("The deal opens a gate: what waited behind it is in it.")}`
      : "";
    const [these, next] = $("amount")
      ? ["This deal pays {}", "The next 10,000 after that would pay {}."]
      : ["These leads pay {}", "The next lead after that would pay {}."];
    const pays = (deal) => money(sum(found, deal, "pays"));
    return `${say(these, pays(0))}${paid}.${closed}${opens} ${say(next, pays(1))}`;
  }

  function shown(part, given, one) {
    const [deal] = one.deals;
    const place = (cents) =>
      part.basis === "amount" ? counted(part, cents) : say("{} of quota", percent([(cents * 10000n) / one.quota, 10000n]));
    const isAlone = part.accumulation === "none";
    const notes = [
      isAlone
        ? say("Each deal stands alone: it is placed in the tiers by its own size.")
        : say("Your position moves from {} to {}.", place(deal.before), place(deal.after)),
      deal.withheld ? say("A cap withholds {}.", money(deal.withheld)) : "",
      ...deal.unknown.map((code) => say(UNKNOWN[code])),
    ].filter(Boolean);
    return made(
      "section",
      {},
      made("h3", {}, titled(part)),
      made("p", {}, notes.join(" ")),
      tiers(part, deal, isAlone),
      drawn(part, given, one, place),
    );
  }

  const titled = (part) => {
    const name = say(part.name.replaceAll("_", " "));
    return name[0].toUpperCase() + name.slice(1);
  };

  function tiers(part, deal, isAlone) {
    const given = part.measure === "leads" ? "leads" : "deal";
    const ends = [...part.tiers.slice(1).map((tier) => tier.from), part.end];
    const at = (text) => (part.basis === "amount" ? counted(part, earn.rounded(earn.read(text))) : percent(earn.read(text)));
    const rows = part.tiers.map((tier, i) => {
      const where = [!isAlone && deal.tiers[0] === i ? say("you are here") : "", deal.tiers[1] === i ? say(`after the ${given}`) : ""].filter(
        Boolean,
      );
      return made(
        "tr",
        deal.tiers[1] === i ? { class: "earn-here" } : {},
        made("th", { scope: "row" }, ends[i] === null ? say("{} and more", at(tier.from)) : `${at(tier.from)} – ${at(ends[i])}`),
        made("td", {}, rate(part, earn.read(tier.value))),
        made("td", {}, counted(part, earn.rounded(deal.passed[i][0]))),
        made("td", {}, where.join(", ")),
      );
    });
    const head = [part.basis === "amount" ? "tier" : "of quota", "rate", given === "leads" ? "of these leads" : "of this deal", "position"].map((text) =>
      made("th", { scope: "col" }, say(text)),
    );
    const scroll = { class: "earn-scroll", tabindex: "0", role: "region", "aria-label": say("Tiers: {}", titled(part)) };
    return made(
      "div",
      scroll,
      made("table", { class: "table" }, made("thead", {}, made("tr", {}, ...head)), made("tbody", {}, ...rows)),
    );
  }
  function rate(part, value) {
    if (part.application === "interpolated")
      return part.basis === "target" ? say("{} of target, whole tier", percent(value)) : say("{}, whole tier", money(earn.rounded(value)));
    if (part.basis === "target") return say("{} × target", decimals(value, 4));
    return part.measure === "leads" ? say("{} {} a lead", decimals(value, 2), plan.currency) : percent(value);
  }

  /** The curve of pay, with where the deal begins and ends. */
  function drawn(part, given, one, place) {
    const [deal] = one.deals;
    const [WIDE, HIGH, LEFT, TOP] = [340, 190, 8, 18];
    const last = earn.read(part.tiers.at(-1).from);
    const edge = part.basis === "amount" ? earn.rounded(last) * 2n : one.quota * 2n;
    const isAlone = part.accumulation === "none";
    const upto = [edge, (deal.after * 12n) / 10n, 100n].reduce((a, b) => (a > b ? a : b));
    const points = earn.curve(part, given, upto);
    const top = points.reduce((most, [, cents]) => (cents > most ? cents : most), 1n);
    const x = (credit) => LEFT + (Number(credit) / Number(upto)) * (WIDE - 2 * LEFT);
    const y = (cents) => HIGH - 22 - (Number(cents) / Number(top)) * (HIGH - 22 - TOP);
    const marks = (isAlone ? [deal.after] : [deal.before, deal.after]).map((credit, i, all) => {
      const [, cents] = earn.curve(part, given, credit).at(-1);
      return made("circle", { cx: x(credit), cy: y(cents), r: 5, class: i === all.length - 1 ? "earn-after" : "earn-before" });
    });
    const label = (text, at, height, anchor) => made("text", { x: at, y: height, "text-anchor": anchor }, text);
    const said = [0n, 1n, 2n, 3n]
      .map((i) => points.findLast(([credit]) => credit <= (upto * (i + 1n)) / 4n))
      .map(([credit, cents]) => place(credit) + say(": {}", money(cents)))
      .join("; ");
    const what = [
      say(isAlone ? "What one deal pays, by its size" : "What all deals of the period pay together"),
      !isAlone && part.gate ? say(", the gate open") : "",
      !isAlone && part.cap?.kind === "per_deal" ? say(", before the cap on each") : "",
    ].join("");
    const svg = made(
      "svg",
      { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": `${what}. ${said}.`, class: "earn-curve" },
      made("line", { x1: LEFT, x2: WIDE - LEFT, y1: y(0n), y2: y(0n) }),
      ...(part.basis === "amount"
        ? []
        : [
            made("line", { x1: x(one.quota), x2: x(one.quota), y1: TOP, y2: y(0n), class: "earn-quota" }),
            label(say("quota"), x(one.quota), HIGH - 6, "middle"),
          ]),
      made("polyline", { points: points.map(([credit, cents]) => `${x(credit).toFixed(1)},${y(cents).toFixed(1)}`).join(" ") }),
      ...marks,
      label("0", LEFT, HIGH - 6, "start"),
      label(place(upto), WIDE - LEFT, HIGH - 6, "end"),
      label(money(top), WIDE - LEFT, 12, "end"),
    );
    return made("figure", {}, svg, made("figcaption", {}, `${what}${isAlone ? "" : say("; ring: now, dot: after it")}.`));
  }

  let timer = 0;
  function soon() {
    clearTimeout(timer);
    timer = setTimeout(show, 200);
  }

  plans.forEach((one, i) => $("plan").append(made("option", { value: i }, one.title)));
  $("plan").addEventListener("change", () => {
    plan = plans[$("plan").value];
    ask();
  });
  page.hidden = false;
  ask();
})();
