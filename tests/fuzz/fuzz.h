/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The one entry every harness has: libFuzzer calls it, and so does replay.c with the committed corpus.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);
