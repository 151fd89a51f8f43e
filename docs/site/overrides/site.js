// What Material leaves out: names of the search and of the buttons of each code block, and the keyboard in wide tables.
function nameParts() {
  const query = document.querySelector("[data-md-component=search-query]");
  const search = document.querySelector(".md-search[role=dialog]");
  if (search && !search.ariaLabel) search.ariaLabel = query?.placeholder ?? "Search";
  document.querySelectorAll("nav.md-code__nav").forEach((part, number) => {
    const name = `${part.querySelector("button")?.title ?? "Code"} ${number + 1}`;
    if (part.ariaLabel !== name) part.ariaLabel = name;
  });
  document.querySelectorAll(".md-typeset__scrollwrap:not([tabindex])").forEach((part) => (part.tabIndex = 0));
}

nameParts();
new MutationObserver(nameParts).observe(document.body, { childList: true, subtree: true });
