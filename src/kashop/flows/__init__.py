"""流程: the verbs that cross rooms or leave the machine. Each takes the Shop first, and holds no transaction while it waits."""
