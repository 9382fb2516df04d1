/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The table of subcommands; each lives in the cmd-*.c of its name.
 */
#pragma once

#include "cli/ctl.h"

extern const Command command_status, command_peers, command_show, command_send, command_inbox, command_log, command_receive,
  command_wait, command_watch, command_chat, command_trust, command_verify, command_block, command_unblock, command_name,
  command_id, command_net, command_pair, command_config, command_audit, command_access, command_agent, command_edit, command_retract,
  command_react, command_completion, command_shell,
  command_doctor;

/* cmd-id-key.c, of id. */
extern const Command command_id_rotate, command_id_export, command_id_import, command_id_ignore;

/* cmd-pair-ls.c, of pair. */
extern const Command command_pair_ls, command_pair_revoke;

/* Of `trust`, in files of their own. */
extern const Command command_trust_introduce, command_trust_release;

extern const Command command_root; /* main.c: what is no command's own */
extern const GOptionEntry global_options[];
extern const Command *const all_commands[];
