/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "earshot-config.h"
#include "daemon/io/tls.h"
