# SPDX-License-Identifier: LGPL-2.1-or-later
# cli/: xmppctl, on the generated proxies only; links nothing of daemon/.
