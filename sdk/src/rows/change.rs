//! Names and attributes of files, and mounts.
use super::{Fact, PathKind, Process, cell, fact, op, string};
use crate::bindings::vespid::plugin::{events, reports};

fact!(
    /// A call that made, renamed, removed or altered a file, or mounted something, or failed to.
    ///
    /// ```
    /// # use vespid_plugin::testing::BatchBuilder;
    /// # use vespid_plugin::{Batch, ChangeOp, PathKind, errno};
    /// # let mut builder = BatchBuilder::new();
    /// # let ln = builder.process("/bin/ln").id();
    /// # builder.change(ln, ChangeOp::Symlink, "/etc/shadow").target("/tmp/notes");
    /// # builder.change(ln, ChangeOp::Mode, "/bin/sh").mode(0o4755).fails(errno::EPERM);
    /// # let columns = builder.columns();
    /// # let mut changes = Batch::new(&columns).changes();
    /// let change = changes.next().unwrap();
    /// assert_eq!(change.op(), ChangeOp::Symlink);
    /// assert_eq!((change.path(), change.target()), (&b"/etc/shadow"[..], &b"/tmp/notes"[..]));
    /// assert_eq!((change.path_kind(), change.target_kind()), (PathKind::Typed, PathKind::Typed));
    /// assert_eq!(change.typed(), change.path());
    /// assert_eq!(change.process().unwrap().name(), b"ln");
    ///
    /// let change = changes.next().unwrap();
    /// assert!(change.sets_user_id() && !change.sets_group_id() && change.failed());
    /// assert_eq!((change.mode(), errno::name(change.errno())), (0o4755, "EPERM"));
    /// assert_eq!((change.flags(), change.length(), change.owner()), (0, None, None));
    /// println!("{:?}", change.detail());
    /// ```
    Change, Changes, Change
);

op! {
    /// What was done to a file.
    ///
    /// ```
    /// use vespid_plugin::{Change, ChangeOp};
    ///
    /// fn removes(change: Change<'_>) -> bool {
    ///     matches!(change.op(), ChangeOp::Unlink | ChangeOp::RemoveDirectory)
    /// }
    /// ```
    ChangeOp {
        /// It got another name.
        Rename = 1,
        /// It got one more name.
        Link = 2,
        /// A symbolic link to it was made.
        Symlink = 3,
        /// It lost a name.
        Unlink = 4,
        /// A directory was removed.
        RemoveDirectory = 5,
        /// A directory was made.
        MakeDirectory = 6,
        /// A device, a pipe or a socket was made.
        MakeNode = 7,
        /// It was cut or stretched.
        Truncate = 8,
        /// It got another mode.
        Mode = 9,
        /// It got another owner or group.
        Owner = 10,
        /// It got an extended attribute.
        SetAttribute = 11,
        /// It lost an extended attribute.
        RemoveAttribute = 12,
        /// Something was mounted.
        Mount = 13,
        /// Something was unmounted.
        Unmount = 14,
    }
}

const S_ISUID: u32 = 0o4000;
const S_ISGID: u32 = 0o2000;

impl<'a> Change<'a> {
    /// What was done.
    #[must_use]
    #[inline]
    pub fn op(self) -> ChangeOp {
        ChangeOp::from_column(cell(&self.table.op, self.row))
    }

    /// Absolute path of the file before the call: the old name of a rename, what a link points to, what is mounted.
    #[must_use]
    #[inline]
    pub fn path(self) -> &'a [u8] {
        string(self.batch, cell(&self.table.path, self.row))
    }

    /// The same as the caller typed it; empty if the call named a descriptor.
    #[must_use]
    #[inline]
    pub fn typed(self) -> &'a [u8] {
        string(self.batch, cell(&self.table.typed, self.row))
    }

    /// Absolute path of the name that the call makes: the new name of a rename or a link, the place of a mount. Else
    /// empty.
    #[must_use]
    #[inline]
    pub fn target(self) -> &'a [u8] {
        string(self.batch, cell(&self.table.target, self.row))
    }

    /// The same as the caller typed it.
    ///
    /// ```
    /// # use vespid_plugin::Change;
    /// fn is_relative(change: Change<'_>) -> bool {
    ///     !change.target_typed().starts_with(b"/")
    /// }
    /// ```
    #[must_use]
    #[inline]
    pub fn target_typed(self) -> &'a [u8] {
        string(self.batch, cell(&self.table.target_typed, self.row))
    }

    /// How far [`path`](Change::path) can be trusted.
    #[must_use]
    pub fn path_kind(self) -> PathKind {
        PathKind::from_column(cell(&self.table.path_kind, self.row))
    }

    /// How far [`target`](Change::target) can be trusted.
    #[must_use]
    pub fn target_kind(self) -> PathKind {
        PathKind::from_column(cell(&self.table.target_kind, self.row))
    }

    /// Name of the extended attribute, or type of the mounted file system.
    #[must_use]
    #[inline]
    pub fn detail(self) -> &'a [u8] {
        string(self.batch, cell(&self.table.detail, self.row))
    }

    /// The call's flags.
    #[must_use]
    #[inline]
    pub fn flags(self) -> u32 {
        cell(&self.table.flags, self.row)
    }

    /// The mode that was asked for, with its special bits.
    #[must_use]
    #[inline]
    pub fn mode(self) -> u32 {
        cell(&self.table.mode, self.row)
    }

    /// Whether the mode that was asked for has the set-user-id bit.
    #[must_use]
    #[inline]
    pub fn sets_user_id(self) -> bool {
        self.mode() & S_ISUID != 0
    }

    /// Whether the mode that was asked for has the set-group-id bit.
    #[must_use]
    #[inline]
    pub fn sets_group_id(self) -> bool {
        self.mode() & S_ISGID != 0
    }

    fn value(self, of: ChangeOp) -> Option<u64> {
        (self.op() == of).then(|| cell(&self.table.value, self.row))
    }

    /// The length that a file was cut or stretched to.
    #[must_use]
    #[inline]
    pub fn length(self) -> Option<u64> {
        self.value(ChangeOp::Truncate)
    }

    /// The user and the group that were asked for; none for what is to stay.
    #[must_use]
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "two halves")]
    pub fn owner(self) -> Option<(Option<u32>, Option<u32>)> {
        let value = self.value(ChangeOp::Owner)?;
        let given = |id: u32| Some(id).filter(|id| *id != u32::MAX);
        Some((given(value as u32), given((value >> 32) as u32)))
    }

    /// Whether the call failed.
    #[must_use]
    #[inline]
    pub fn failed(self) -> bool {
        cell(&self.table.result, self.row) < 0
    }

    /// Why the call failed, or 0.
    #[must_use]
    #[inline]
    pub fn errno(self) -> u32 {
        u32::try_from(cell(&self.table.result, self.row).saturating_neg()).unwrap_or(0)
    }
}
