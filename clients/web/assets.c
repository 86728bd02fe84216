/* The assembler takes the bytes in, so that no code has to be made from them. */
#include "clients/web/assets.h"

/* clang-format off */
#define ASSET(name, file) \
	__asm__(".pushsection .rodata\n" \
		"asset_" #name "_begin:\n" \
		".incbin \"" PAGE_FOLDER "/" file "\"\n" \
		"asset_" #name "_end:\n" \
		".byte 0\n" \
		".popsection\n"); \
	extern const uint8_t asset_##name##_begin[]; \
	extern const uint8_t asset_##name##_end[]

ASSET(index, "index.html");
ASSET(script, "app.js");
ASSET(detail, "detail.js");
ASSET(words, "words.js");
ASSET(style, "app.css");
ASSET(icon, "icon.svg");

const struct asset assets[] = {
	{ "/",          "text/html; charset=utf-8",       asset_index_begin,  asset_index_end },
	{ "/app.js",    "text/javascript; charset=utf-8", asset_script_begin, asset_script_end },
	{ "/detail.js", "text/javascript; charset=utf-8", asset_detail_begin, asset_detail_end },
	{ "/words.js",  "text/javascript; charset=utf-8", asset_words_begin,  asset_words_end },
	{ "/app.css",   "text/css; charset=utf-8",        asset_style_begin,  asset_style_end },
	{ "/icon.svg",  "image/svg+xml",                  asset_icon_begin,   asset_icon_end },
};
/* clang-format on */
const size_t asset_count = ARRAY_SIZE(assets);
