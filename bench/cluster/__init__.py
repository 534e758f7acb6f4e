"""Three machines with etcd, Patroni and PostgreSQL in network namespaces of this one, and HAProxy before them; see README.md."""
