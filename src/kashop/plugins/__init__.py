"""插件: finds plugins, keeps their failures to themselves, and hands them what they may use.

Always true: bundled plugins go through the same hooks as a stranger's; a plugin that fails is switched off
with a reason and the others go on. There is no sandbox: a plugin runs in our process, so this guards
against mistakes, not malice.
"""
