# SPDX-License-Identifier: LGPL-2.1-or-later
# data/: what gets installed besides programs.
pkgconfigdir = $(datadir)/pkgconfig
pkgconfig_DATA = data/earshot.pc
